/* Day and night: the reader paints when the network sleeps, and it trains by that timetable. */
(() => {
  "use strict";
  const TASKS = replayLive.pairs;
  const BLOCKS = 6; // of each day
  const STEPS = 25; // of each block
  const KEPT = 10; // images of each digit that the store has
  const TIMETABLES = {
    own: "my own", none: "no sleep", each: "one block after each day", late: "one long night at the end",
  };
  const GUESSES = { each: "a short night after each day", late: "one long night at the end", same: "no difference (within 5 points)" };
  const ALL = TASKS.length * BLOCKS;

  function timetable(name) {
    const asleep = Array(ALL).fill(false);
    if (name === "each") for (let day = 0; day < TASKS.length; day++) asleep[day * BLOCKS + BLOCKS - 1] = true;
    if (name === "late") asleep.fill(true, ALL - TASKS.length);
    return asleep;
  }

  replayLive.parts.night = async (root) => {
    const { el, button, select, guess, status, curves, table, still } = replayLive;
    const config = { tasks: TASKS, scenario: "class", replay: "none", budget: KEPT, hidden: [100, 100], latent: 1, gateProp: 0, lr: 0.001, batch: 32, replayed: 32, seed: 1 };
    let asleep = timetable("each"), points = [], passed = 0, paint = null;
    const learner = await replayLive.learner(config, () => {});

    const controls = el("fieldset", { class: "live-controls" }, el("legend", { class: "live-hidden" }, "Timetable"));
    const asked = guess(
      `Five days bring two digits each. By night a network replays a small store, ${KEPT} images of every digit met so far. The same time asleep: when does it know more, on average over all days?`,
      GUESSES, controls,
    );
    const ready = select("Timetable:", TIMETABLES, "each", (name) => {
      if (name !== "own") asleep = timetable(name);
      show();
    });
    const days = TASKS.map((pair, day) =>
      el("div", { class: "live-day", role: "group", "aria-label": `Day ${day + 1}, ${pair.join(" and ")}` }, el("span", {}, pair.join(", ")),
        ...Array.from({ length: BLOCKS }, (_, k) => {
          const block = day * BLOCKS + k;
          const press = button("", () => turn(block, !asleep[block]), { class: "live-block" });
          press.addEventListener("pointerenter", (event) => event.buttons && paint !== null && turn(block, paint));
          press.addEventListener("pointerdown", () => (paint = !asleep[block]));
          return press;
        })),
    );
    const presses = days.flatMap((day) => [...day.querySelectorAll("button")]);
    const live = button("Live through the five days", run);
    const said = status();
    const chart = curves({ label: "Accuracy over the five days", unit: " %" });
    const results = table("Accuracy (%) on all digits met so far, by timetable", ["on average", "at the end"], Object.values(TIMETABLES));
    controls.append(ready, el("div", { class: "live-days" }, ...days), el("p", { class: "live-note" }, "Press a block, or draw over several: ☀ awake and learning, ☾ asleep and replaying."), el("div", { class: "live-buttons" }, live));
    root.append(asked.element, controls, said.element, chart.element, results.element);
    show();

    function turn(block, to) {
      asleep[block] = to;
      ready.input.value = "own";
      show();
    }

    function show(now = -1) {
      presses.forEach((press, block) => {
        press.textContent = asleep[block] ? "☾" : "☀";
        press.setAttribute("aria-label", `block ${(block % BLOCKS) + 1}: ${asleep[block] ? "asleep" : "awake"}`);
        press.setAttribute("aria-pressed", String(asleep[block]));
        press.classList.toggle("live-now", block === now);
      });
      if (now < 0) said.say(`${asleep.filter(Boolean).length} of ${ALL} blocks are asleep.`);
    }

    async function run() {
      controls.disabled = true;
      learner.open(config);
      points = TASKS.map(() => []);
      const means = [];
      let task = null;
      for (let block = 0; block < ALL; block++) {
        const day = Math.floor(block / BLOCKS);
        show(block);
        if (!asleep[block]) task = day;
        if (task !== null) {
          learner.change({ config: { batch: asleep[block] ? 0 : 32, replay: asleep[block] ? "exact" : "none" } });
          const { accuracies } = await learner.run({ task, steps: STEPS, every: STEPS, pace: still() ? 0 : 4 });
          passed = (block + 1) * STEPS;
          accuracies.forEach((accuracy, k) => accuracy !== null && points[k].push([passed, accuracy]));
          means.push(accuracies.slice(0, day + 1).reduce((sum, accuracy) => sum + (accuracy ?? 0), 0) / (day + 1));
        } else means.push(0);
        if (!still() || block === ALL - 1) chart.draw(points.map((line, k) => ({ name: TASKS[k].join(", "), colour: k + 1, points: line })), ALL * STEPS, TASKS.map((_, k) => [k * BLOCKS * STEPS, `day ${k + 1}`]));
      }
      const found = [means.reduce((a, b) => a + b) / ALL, means[ALL - 1]];
      const row = Object.keys(TIMETABLES).indexOf(ready.input.value);
      found.forEach((value, column) => results.set(row, column, value));
      controls.disabled = false;
      show();
      chart.describe(`Accuracy on each pair over five days. At the end, on average, ${Math.round(found[1])} %.`);
      const both = ["each", "late"].map((name) => Number(results.get(Object.keys(TIMETABLES).indexOf(name), 0)) || null);
      let verdict = ` Now try: ${TIMETABLES[both[0] === null ? "each" : "late"]}.`;
      if (both[0] !== null && both[1] !== null) {
        const better = Math.abs(both[0] - both[1]) <= 5 ? "same" : both[0] > both[1] ? "each" : "late";
        verdict = ` Your guess, “${asked.words()}”, was ${asked.made() === better ? "right" : "not what came out"}. Can your own timetable do better with as little sleep?`;
      }
      said.say(`With ${asleep.filter(Boolean).length} blocks of sleep the network was right on ${Math.round(found[0])} % on average over the days, and on ${Math.round(found[1])} % at the end.${verdict}`);
    }
  };
})();
