/* The playground: two methods side by side on one stream of tasks; the settings stand in the address. */
(() => {
  "use strict";
  const REPLAY = {
    none: "no replay", exact: "stored images", generated: "imagined images", current: "the current task's images (LwF)",
    joint: "all images seen so far (joint)",
  };
  const SWITCHES = {
    feedback: "replay through feedback", conditional: "conditional replay", gating: "gating by class", distill: "soft targets (distillation)",
  };
  const BUDGETS = [1, 3, 10, 30, 100];
  const CLOSED = [0.3, 0.5, 0.7, 0.8, 0.9];
  const STEPS = [50, 100, 200, 400];
  const RATES = [0.0003, 0.001, 0.003];
  const SCENARIOS = { class: "class-incremental", domain: "domain-incremental", task: "task-incremental" };
  const ALL = Object.keys(SWITCHES);
  const start = (replay, extra = {}) => ({ replay, budget: 3, on: [], closed: 0.7, ...extra });
  const QUESTIONS = {
    imagine: ["Nothing replayed, or images that the network imagines?", start("none"), start("generated", { on: ALL })],
    store: ["Three stored images of each digit, or images that the network imagines?", start("exact"), start("generated", { on: ALL })],
    conditional: ["Imagined at random, or one class at a time (conditional replay)?", start("generated"), start("generated", { on: ["conditional"] })],
    distill: ["All changes but soft targets, or all of them?", start("generated", { on: ALL.slice(0, 3) }), start("generated", { on: ALL })],
    joint: ["Imagined images, or everything stored?", start("generated", { on: ALL }), start("joint")],
  };
  const GUESSES = { A: "A will be right more often", B: "B will be right more often", same: "no difference (within 5 points)" };

  function nameOf({ replay, budget, on, closed }) {
    if (replay === "exact") return `exact replay, ${budget} of each`;
    if (replay !== "generated") return { none: "no replay", joint: "joint training", current: "LwF" }[replay];
    if (on.length === ALL.length) return "brain-inspired replay";
    const words = on.map((one) => (one === "gating" ? `gating ${closed}` : one)).join(" + ");
    return `generative replay${words && ` + ${words}`}`;
  }
  const written = ({ replay, budget, on, closed }) => [replay, ...(replay === "exact" ? [budget] : replay === "generated" ? [...on, closed] : [])].join(",");
  function read(text) {
    const [replay, ...rest] = text.split(",");
    if (!(replay in REPLAY)) return start("none");
    const number = Number(rest[rest.length - 1]);
    return start(replay, {
      ...(BUDGETS.includes(number) && { budget: number }), ...(CLOSED.includes(number) && { closed: number }),
      on: ALL.filter((one) => rest.includes(one)),
    });
  }
  const nearest = (values, text, other) => (values.map(String).includes(text) ? values[values.map(String).indexOf(text)] : other);

  /** One of the two networks: its method, its accuracy matrix, and what it replays or imagines. */
  function side(letter, changed) {
    const { el, select, slider, check, table, image } = replayLive;
    const box = el("section", { class: "live-side", "aria-label": `Network ${letter}` });
    const me = { letter, method: start("none"), learner: null, element: box };
    const options = el("div", { class: "live-options" });
    const results = el("div");
    const rate = el("p", { class: "live-note" }, "");
    let matrix, pictures;

    me.set = (method) => {
      me.method = { ...method };
      const list = select("replays", REPLAY, method.replay, (replay) => (me.set({ ...me.method, replay }), changed()));
      const more = [];
      const turn = (part) => (Object.assign(me.method, part), changed());
      if (method.replay === "exact") more.push(slider("of each digit", BUDGETS, BUDGETS.indexOf(method.budget), (budget) => turn({ budget })));
      if (method.replay === "generated") {
        for (const one of ALL)
          more.push(check(SWITCHES[one], method.on.includes(one), (on) => turn({ on: ALL.filter((other) => (other === one ? on : me.method.on.includes(other))) })));
        more.push(slider("share of closed gates", CLOSED, CLOSED.indexOf(method.closed), (closed) => turn({ closed })));
      }
      options.replaceChildren(list, ...more);
    };
    me.clear = (tasks) => {
      const names = tasks.map((digits) => digits.join(" "));
      matrix = table(`${letter}, ${nameOf(me.method)}: accuracy (%) on each task (columns), after each task (rows)`, names, names, true);
      pictures = new Map();
      results.replaceChildren(el("div", { class: "live-scroll" }, matrix.element), el("div", { class: "live-panel", role: "list", "aria-label": `What network ${letter} imagines` }), rate);
      rate.textContent = "";
      me.mean = [];
    };
    me.show = ({ accuracies, dreams, rate: speed }, row, steps, digits, sideLength) => {
      const known = accuracies.slice(0, row + 1);
      known.forEach((accuracy, column) => matrix.set(row, column, accuracy));
      me.mean.push([steps, known.reduce((a, b) => a + b, 0) / known.length]);
      if (speed) rate.textContent = `${Math.round(speed)} steps a second`; // what is heard at a stop has none
      for (const [unit, x] of dreams || []) {
        if (!pictures.has(unit)) {
          const picture = image(sideLength, `imagined as a ${digits[unit]}`, 38);
          results.children[1].append(el("div", { role: "listitem" }, picture.element, el("span", { class: "live-answer" }, String(digits[unit]))));
          pictures.set(unit, picture);
        }
        pictures.get(unit).draw(x);
      }
    };
    box.append(el("p", { class: "live-heading" }, `Network ${letter}`), options, results);
    return me;
  }

  replayLive.parts.playground = async (root) => {
    const { el, button, select, slider, guess, status, curves, still } = replayLive;
    const data = await replayLive.digits();
    const shared = { tasks: 5, scenario: "class", steps: 200, lr: 0.001, seed: 1 };
    const sides = ["A", "B"].map((letter) => side(letter, () => note()));
    let running = 0, given = "imagine";

    const controls = el("fieldset", { class: "live-controls" }, el("legend", { class: "live-hidden" }, "Settings"));
    const asked = guess("", GUESSES, controls);
    const question = asked.element.querySelector("legend");
    const preset = select("A question to start from:", { ...Object.fromEntries(Object.entries(QUESTIONS).map(([key, [words]]) => [key, words])), own: "my own settings" }, given, (key) => {
      given = key;
      if (key !== "own") sides.forEach((one, k) => one.set(QUESTIONS[key][k + 1]));
      note(key);
    });
    const fields = el("div", { class: "live-fields" });
    const run = button("Train both", begin);
    const stop = button("Stop", () => sides.forEach((one) => one.learner?.stop()), { disabled: true });
    const link = el("a", {}, "Link to these settings");
    link.addEventListener("click", copy);
    const copied = status();
    copied.element.className = "live-note";
    const said = status();
    const chart = curves({ label: "Mean accuracy on the tasks so far, of A and B", unit: " %" });
    controls.append(fields, el("div", { class: "live-columns" }, ...sides.map((one) => one.element)), el("div", { class: "live-buttons" }, run, stop, link, copied.element));
    root.append(preset, asked.element, controls, said.element, chart.element);

    function setFields() {
      const turn = (name) => (value) => ((shared[name] = value), note());
      fields.replaceChildren(
        select("tasks", { 2: "2, of five digits", 5: "5, of two digits" }, shared.tasks, (value) => turn("tasks")(Number(value))),
        select("scenario", SCENARIOS, shared.scenario, turn("scenario")),
        slider("steps a task", STEPS, STEPS.indexOf(shared.steps), turn("steps")),
        slider("learning rate", RATES, RATES.indexOf(shared.lr), turn("lr")),
        slider("seed", [0, 1, 2, 3, 4], shared.seed, turn("seed")),
      );
    }

    /** The tasks' digits: in order for seed 0, shuffled otherwise, as in the library. */
    function tasks() {
      const order = shared.seed ? replayNumbers().generator(shared.seed).shuffled(10) : [...Array(10).keys()];
      const per = 10 / shared.tasks;
      return Array.from({ length: shared.tasks }, (_, task) => order.slice(task * per, (task + 1) * per));
    }

    /** The settings, into the address and the question. */
    function note(key = "own", touched = true) {
      given = preset.input.value = key;
      const words = new URLSearchParams({ ...shared, a: written(sides[0].method), b: written(sides[1].method) }).toString().replaceAll("%2C", ",");
      link.href = `#${words}`;
      link.id = words; // so that the address leads to a place of the page, as every other does
      if (touched) history.replaceState(null, "", link.href);
      copied.say("");
      if (!sides.some((one) => one.learner)) sides.forEach((one) => one.clear(tasks())); // results stay until the next run
      question.textContent = key === "own" ? `A: ${nameOf(sides[0].method)}. B: ${nameOf(sides[1].method)}. What will you see after the last task?` : QUESTIONS[key][0];
    }

    /** The link in the clipboard, where the browser allows it; in the address bar in any case. */
    async function copy(event) {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      history.replaceState(null, "", link.href);
      try {
        await navigator.clipboard.writeText(location.href);
        copied.say("Copied.");
      } catch {
        copied.say("It is in the address bar.");
      }
    }

    function fromAddress() {
      const said = new URLSearchParams(location.hash.slice(1));
      if (!said.has("a") || !said.has("b")) return false;
      shared.tasks = nearest([2, 5], said.get("tasks"), 5);
      shared.scenario = nearest(Object.keys(SCENARIOS), said.get("scenario"), "class");
      shared.steps = nearest(STEPS, said.get("steps"), 200);
      shared.lr = nearest(RATES, said.get("lr"), 0.001);
      shared.seed = nearest([0, 1, 2, 3, 4], said.get("seed"), 1);
      ["a", "b"].forEach((key, k) => sides[k].set(read(said.get(key))));
      return true;
    }

    async function begin() {
      const stream = tasks();
      enable(true);
      running = sides.length;
      said.say(`Training: ${stream.length} tasks of ${shared.steps} steps, A with ${nameOf(sides[0].method)}, B with ${nameOf(sides[1].method)}.`);
      for (const one of sides) {
        one.clear(stream);
        one.learner?.close();
        const { replay, budget, on, closed } = one.method;
        const config = {
          tasks: stream, scenario: shared.scenario, replay, budget, ...Object.fromEntries(on.map((key) => [key, true])), gateProp: closed,
          hidden: [100, 100], latent: 32, lr: shared.lr, batch: 32, seed: shared.seed,
        };
        let task = 0;
        const next = () => one.learner.train({ task, steps: shared.steps, every: still() ? 50 : 10 });
        one.learner = await replayLive.learner(config, (heard) => {
          if (heard.looked) return;
          const names = shared.scenario === "domain" ? stream[0].map((_, k) => stream.map((digits) => digits[k]).join("/")) : stream.flat();
          one.show(heard, task, heard.steps, names, data.side);
          draw();
          if (!heard.done) return;
          one.stopped = heard.stopped;
          one.last = heard.accuracies.slice(0, task + 1);
          task += 1;
          if (task < stream.length && !heard.stopped) next();
          else if (--running === 0) end(stream);
        });
        one.learner.watch({ images: [], dream: true });
        next();
      }
    }

    function draw() {
      const all = shared.steps * shared.tasks;
      chart.draw(sides.map((one, k) => ({ name: one.letter, colour: k ? 4 : 1, points: one.mean })), all, tasks().map((digits, k) => [k * shared.steps, digits.join(" ")]));
    }

    function end(stream) {
      enable(false);
      const [a, b] = sides.map((one) => one.last.reduce((sum, value) => sum + value, 0) / one.last.length);
      const found = Math.abs(a - b) <= 5 ? "same" : a > b ? "A" : "B";
      const stopped = sides.some((one) => one.stopped);
      const verdict = asked.made() === found ? `Your guess, ${asked.words()}, was right.` : `Your guess was: ${asked.words()}.`;
      const [named, other] = sides.map((one) => `${one.letter} (${nameOf(one.method)}${stopped ? `, ${one.last.length} of ${stream.length} tasks begun` : ""})`);
      const words = `${named} is right on ${a.toFixed(0)} % on average over the tasks${stopped ? " so far" : ""}, ${other} on ${b.toFixed(0)} %`;
      said.say(stopped ? `Stopped before the end. ${words}.` : `${words}. ${verdict} One seed: try another before you believe it.`);
      chart.describe(`Mean accuracy on the tasks so far, over ${shared.steps * stream.length} steps. ${stopped ? "When stopped" : "At the end"}: A ${a.toFixed(0)} %, B ${b.toFixed(0)} %.`);
    }

    function enable(busy) {
      const from = document.activeElement === (busy ? run : stop);
      run.disabled = busy;
      stop.disabled = !busy;
      if (from) (busy ? stop : run).focus(); // a button that is disabled would lose the focus
      for (const control of controls.querySelectorAll(".live-fields *, .live-options *")) control.disabled = busy;
      preset.input.disabled = busy;
    }

    const own = fromAddress();
    if (!own) sides.forEach((one, k) => one.set(QUESTIONS.imagine[k + 1]));
    setFields();
    note(own ? "own" : given, false);
    sides.forEach((one) => one.clear(tasks()));
    said.say("Nothing is trained yet.");
    addEventListener("hashchange", () => running === 0 && fromAddress() && (setFields(), note()));
  };
})();
