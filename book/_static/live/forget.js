/* Forget it yourself: the reader trains a network task by task, and watches a drawing of their own being forgotten. */
(() => {
  "use strict";
  const TASKS = replayLive.pairs;
  const STEPS = 100;
  const SOON = 20; // steps into the second task, which the question asks about
  const RATES = [0.0003, 0.001, 0.003];
  const KEPT = 3; // images of each digit that "replay" has
  const GUESSES = { most: "nearly all of them", half: "about half", few: "a few, or none" };
  const name = (task) => TASKS[task].join(" and ");
  const kind = (accuracy) => (accuracy > 75 ? "most" : accuracy > 25 ? "half" : "few");

  replayLive.parts.forget = async (root) => {
    const { el, button, slider, guess, status, curves, image, bars, table, still } = replayLive;
    const data = await replayLive.digits();
    const pixels = (row) => replayLive.pixels(data, row);
    const shown = data.test.flatMap((rows) => rows.slice(1, 3));
    const config = { tasks: TASKS, scenario: "class", replay: "none", budget: KEPT, hidden: [100, 100], latent: 1, gateProp: 0, lr: 0.001, batch: 32, seed: 1 };

    let history, mine, drawn, busy, replaying, verdict;
    const learner = await replayLive.learner(config, hear);

    // What is seen
    const controls = el("fieldset", { class: "live-controls" }, el("legend", { class: "live-hidden" }, "Train the network"));
    const asked = guess(
      `The network will learn 0 and 1 first, then 2 and 3. After ${SOON} steps on 2 and 3, how many 0s and 1s will it still get right?`,
      GUESSES, controls,
    );
    const train = TASKS.map((_, task) => button(`Train ${name(task)}`, () => begin(task, false)));
    const rehearse = button(`Replay ${KEPT} of each`, () => begin(history.task, true));
    const stop = button("Stop", () => learner.stop());
    const again = button("Start again", reset);
    const rate = slider("Learning rate", RATES, 1, (lr) => learner.change({ config: { lr } }));
    const said = status("The network knows nothing yet.");
    const chart = curves({ label: "Accuracy on each task over training steps", unit: " %" });
    const numbers = table("Accuracy (%) on 100 test images of each task", TASKS.map((digits) => digits.join(", ")), ["now", "best"]);
    const panel = el("div", { class: "live-panel", role: "list", "aria-label": "Twenty test images, and what the network takes each for: ✓ right, ✗ wrong, · a digit that it has not met" });
    const answers = shown.map((row) => {
      const picture = image(data.side, `a ${data.labels[row]}`, 34);
      const answer = el("span", { class: "live-answer" }, "?");
      picture.draw(pixels(row));
      panel.append(el("div", { role: "listitem" }, picture.element, answer));
      return answer;
    });
    const drawing = replayLive.drawing(data, (x, digit) => {
      [drawn, mine] = [x, digit];
      look();
    });
    const logits = bars("The logit of each digit for the drawing", [...Array(10).keys()].map(String));
    const trace = curves({ label: "The logit of the drawn digit over training steps", low: null, height: 120 });
    const words = el("p", { class: "live-note" }, "");
    controls.append(el("div", { class: "live-buttons" }, ...train, rehearse, stop, again), rate);
    root.append(
      asked.element, controls, said.element,
      el("div", { class: "live-columns" },
        el("div", {}, chart.element, numbers.element, panel),
        el("div", {}, drawing.element, words, logits.element, trace.element),
      ),
    );

    function reset() {
      history = { steps: 0, task: null, points: TASKS.map(() => []), marks: [], logit: [], best: TASKS.map(() => null), order: [] };
      busy = replaying = false;
      verdict = null;
      learner.open({ ...config, lr: RATES[Number(rate.input.value)] });
      TASKS.forEach((_, task) => [0, 1].forEach((row) => numbers.set(row, task, "–")));
      answers.forEach((answer) => ((answer.textContent = "?"), (answer.className = "live-answer")));
      draw();
      look();
      enable();
      said.say("The network knows nothing yet. Train a task.");
    }

    function enable() {
      train.forEach((one) => (one.disabled = busy));
      rehearse.disabled = busy || history.order.length < 2;
      stop.disabled = !busy;
      again.disabled = busy;
    }

    function begin(task, replay) {
      busy = true;
      replaying = replay;
      if (task !== history.task) history.marks.push([history.steps, TASKS[task].join(", ")]);
      else if (replay) history.marks.push([history.steps, "replay"]);
      history.task = task;
      history.began = history.steps;
      if (!history.order.includes(task)) history.order.push(task);
      enable();
      said.say(replay ? `Training goes on with ${name(task)}, and ${KEPT} stored images of each earlier digit are mixed in.` : `Training on ${name(task)}.`);
      learner.change({ config: { replay: replay ? "exact" : "none" } });
      learner.train({ task, steps: STEPS, every: still() ? 5 : 2, pace: still() ? 0 : 30 });
    }

    function look() {
      learner.watch({ images: [...shown.map(pixels), ...(drawn ? [drawn] : [])] });
      if (!drawn || !history?.steps) logits.draw(Array(10).fill(null));
      words.textContent = drawn ? (history?.steps ? words.textContent : "Train a task, and the network says what it takes the drawing for.") : "Draw a digit, and say which one it is.";
    }

    function hear({ steps, watched, accuracies, done, looked }) {
      watched.slice(0, shown.length).forEach(({ p, active }, k) => {
        const right = data.labels[shown[k]];
        const best = p.indexOf(Math.max(...p));
        answers[k].textContent = `${!active[right] ? "·" : best === right ? "✓" : "✗"} ${best}`;
        answers[k].className = `live-answer ${!active[right] ? "live-unmet" : best === right ? "live-right" : "live-wrong"}`;
      });
      const own = drawn && watched[shown.length];
      if (own) tell(own);
      if (looked) return;
      history.steps = steps;
      accuracies.forEach((accuracy, task) => {
        if (accuracy === null) return;
        history.points[task].push([steps, accuracy]);
        history.best[task] = Math.max(accuracy, history.best[task] ?? 0);
      });
      if (own) history.logit.push([steps, own.logits[mine]]);
      const second = history.order.length === 2 && history.task === history.order[1];
      if (second && !replaying && verdict === null && steps - history.began >= SOON) verdict = accuracies[history.order[0]];
      if (!still() || done) draw();
      if (done) {
        busy = false;
        enable();
        accuracies.forEach((accuracy, task) => accuracy !== null && [accuracy, history.best[task]].forEach((value, row) => numbers.set(row, task, value)));
        said.say(summary(accuracies));
      }
    }

    function tell({ logits: values, active, p }) {
      const best = p.indexOf(Math.max(...p));
      logits.draw(values, mine, 12, (k) => !active[k]);
      words.textContent = `The network takes the drawing for a ${best} (${Math.round(100 * p[best])} %). The logit of ${mine} is ${values[mine].toFixed(1).replace("-", "−")}; pale bars are digits it has not met.`;
    }

    function draw() {
      const series = history.points.map((points, task) => ({ name: TASKS[task].join(", "), colour: task + 1, points }));
      chart.draw(series, history.steps, history.marks);
      trace.draw([{ name: `logit ${mine}`, colour: 1, points: history.logit }], history.steps, history.marks);
      const now = history.points.map((points, task) => (points.length ? `${name(task)}: ${Math.round(points[points.length - 1][1])} %` : null)).filter(Boolean);
      chart.describe(`Accuracy on each task over ${history.steps} training steps. Now ${now.join(", ") || "nothing is learned"}.`);
    }

    function summary(accuracies) {
      const now = accuracies.map((accuracy, task) => (accuracy === null ? null : `${name(task)} ${Math.round(accuracy)} %`)).filter(Boolean).join(", ");
      const what = replaying ? `With ${KEPT} images of each earlier digit replayed` : `After ${history.steps - history.began} steps on ${name(history.task)}`;
      let more = "";
      if (verdict !== null && !verdict.told && history.order.length === 2 && !replaying) {
        const right = kind(verdict) === asked.made();
        more = ` ${SOON} steps into ${name(history.order[1])}, accuracy on ${name(history.order[0])} was ${Math.round(verdict)} %: your guess, ${asked.words()}, was ${right ? "right" : "not what happened"}.`;
      } else if (history.order.length === 1) more = " Now train a second task, and watch the first.";
      else if (!replaying) more = ` Try “Replay ${KEPT} of each”.`;
      return `${what}, accuracy is: ${now}.${more}`;
    }

    mine = 0;
    drawn = null;
    reset();
    drawing.show(pixels(data.test[0][0]));
  };
})();
