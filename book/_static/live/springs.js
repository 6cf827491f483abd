/* Springs: elastic weight consolidation on a network of two tasks, at a strength and with an exam that the reader chooses. */
(() => {
  "use strict";
  const TASKS = [[0, 1], [2, 3]];
  const STEPS = 100;
  const STRENGTHS = [0, 10, 100, 1000, 10000, 100000, 1000000];
  const SCENARIOS = { task: "which of the pair (task-incremental)", class: "which of all four digits (class-incremental)" };
  const GUESSES = { some: "some strength keeps both above 80 %", none: "no strength does" };

  replayLive.parts.springs = async (root) => {
    const { el, button, choice, slider, check, guess, status, table } = replayLive;
    const data = await replayLive.digits();
    const config = { tasks: TASKS, replay: "none", springs: 1, hidden: [100, 100], latent: 1, gateProp: 0, lr: 0.001, batch: 32, seed: 1 };
    const first = {}; // the network after task 1, in either scenario
    let strength = 10, scenario = "class", held = false, best = {};
    const learner = await replayLive.learner({ ...config, scenario }, () => {});

    const controls = el("fieldset", { class: "live-controls" }, el("legend", { class: "live-hidden" }, "Springs") );
    const asked = guess(
      "A network has learned 0 and 1. Now a spring holds every weight, as stiff as the weight matters for them, and it learns 2 and 3. When it must choose among all four digits: is there a strength λ at which it knows both pairs?",
      GUESSES, controls,
    );
    const power = slider("strength λ", STRENGTHS, 1, (value) => (strength = value));
    const exam = choice("The question in training and in the exam", SCENARIOS, scenario, (value) => (scenario = value));
    const hold = check("springs on the output units of 2 and 3 as well, as stiff as those of 0 and 1", false, (on) => (held = on));
    const train = button("Train on 2 and 3", run);
    const said = status("After task 1 every weight has a spring; the output units of 2 and 3, which task 1 did not use, have none.");
    const columns = ["0 and 1 (%)", "2 and 3 (%)", "right logit", "logit of 2 or 3"];
    const rows = STRENGTHS.map(String);
    const place = el("div", { class: "live-scroll" });
    controls.append(power, exam, hold, el("div", { class: "live-buttons" }, train));
    root.append(asked.element, controls, said.element, place);
    const tables = {};
    show();

    function key() {
      return `${scenario}${held ? ", springs on new units" : ""}`;
    }

    function show() {
      const name = key();
      tables[name] ||= table(`After 2 and 3, by λ; logits on images of 0 and 1 (${name === "task" || name === "class" ? `${name}-incremental` : name.replace(",", "-incremental,")})`, columns, rows);
      place.replaceChildren(tables[name].element);
    }

    async function run() {
      controls.disabled = true;
      learner.open({ ...config, scenario });
      if (!first[scenario]) {
        await learner.run({ task: 0, steps: STEPS, every: STEPS });
        first[scenario] = await learner.ask("kept");
      } else await learner.ask("restore", first[scenario]);
      await learner.ask("begin", 1);
      if (held) await learner.ask("hold");
      learner.change({ config: { springs: strength } });
      const { accuracies } = await learner.run({ task: 1, steps: STEPS, every: STEPS });
      // On images of the first pair: the logit of the digit shown, and the higher one of the new digits.
      const rows = TASKS[0].flatMap((digit) => data.test[digit]);
      const logits = await learner.ask("lookAll", rows.map((row) => replayLive.pixels(data, row)));
      const mean = (of) => rows.reduce((sum, row, k) => sum + of(logits[k], data.labels[row]), 0) / rows.length;
      const means = [mean((one, digit) => one[digit]), mean((one) => Math.max(one[2], one[3]))].map((value) => value.toFixed(1).replace("-", "−"));
      show();
      [...accuracies, ...means].forEach((value, column) => tables[key()].set(STRENGTHS.indexOf(strength), column, value));
      best[key()] = Math.max(best[key()] ?? 0, Math.min(...accuracies));
      controls.disabled = false;
      const both = best.class ?? 0;
      const verdict = scenario === "class" && !held ? ` Your guess: ${asked.words()}. The best of what you tried keeps both at ${Math.round(both)} % or more.` : "";
      said.say(`λ = ${strength}, ${SCENARIOS[scenario]}: 0 and 1 ${Math.round(accuracies[0])} %, 2 and 3 ${Math.round(accuracies[1])} %. On images of 0 and 1 the logit of the right digit is ${means[0]} on average, that of 2 or 3 is ${means[1]}.${verdict}`);
    }
  };
})();
