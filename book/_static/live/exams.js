/* One network, three exams: trained once, asked in three ways, by a mask over the logits or by adding up probabilities. */
(() => {
  "use strict";
  const TASKS = replayLive.pairs;
  const STEPS = 100;
  const EXAMS = {
    class: "Which of the ten digits is it?", domain: "Is it the first or the second of its pair?", task: "It is from this pair: which of the two?",
  };
  const NAMES = { class: "class-incremental", domain: "domain-incremental", task: "task-incremental" };

  /** The answer to an exam, from logits: a digit, or 0 and 1 for the first and the second of a pair. */
  function answer(exam, logits, digit) {
    const best = (units) => units.reduce((a, b) => (logits[b] > logits[a] ? b : a));
    if (exam === "class") return best([...logits.keys()]);
    if (exam === "task") return best(TASKS[digit >> 1]);
    const mass = (place) => TASKS.reduce((sum, pair) => sum + Math.exp(logits[pair[place]]), 0);
    return Number(mass(1) > mass(0));
  }
  const right = (exam, logits, digit) => answer(exam, logits, digit) === (exam === "domain" ? digit & 1 : digit);

  replayLive.parts.exams = async (root) => {
    const { el, button, choice, guess, status, bars, table } = replayLive;
    const data = await replayLive.digits();
    const test = data.test.flat();
    const config = { tasks: TASKS, scenario: "class", replay: "none", hidden: [100, 100], latent: 1, gateProp: 0, lr: 0.001, batch: 32, seed: 1 };
    let exam = "class", trained = false, own = null;
    const learner = await replayLive.learner(config, ({ watched, task, steps }) => {
      if (trained && watched && watched.length === 1) [own] = watched;
      else if (!trained) said.say(`Training on ${TASKS[task].join(" and ")}: step ${steps} of ${STEPS * TASKS.length}.`);
      show();
    });

    const controls = el("fieldset", { class: "live-controls" }, el("legend", { class: "live-hidden" }, "Train and examine"));
    const asked = guess(
      "A network learns five pairs of digits, one pair after another, and replays nothing. In which exam will it do best on the first pair, 0 and 1?",
      EXAMS, controls,
    );
    const over = choice("In training, the softmax runs over", { class: "all digits so far", task: "the two of the pair" }, "class", (value) => (config.scenario = value));
    const train = button(`Train all five pairs, ${STEPS} steps each`, run);
    const said = status("The network knows nothing yet.");
    const marks = table("Accuracy (%) of the one network in each exam, on each pair", [...TASKS.map((pair) => pair.join(" ")), "mean"], Object.keys(NAMES), true);
    const drawing = replayLive.drawing(data, (x) => {
      own = null;
      if (trained && x) learner.watch({ images: [x] });
      show();
    });
    const exams = choice("The exam", EXAMS, exam, (value) => {
      exam = value;
      show();
    });
    const logits = bars("The logits of the drawing; those outside the mask are pale", [...Array(10).keys()].map(String));
    const words = status();
    controls.append(over, el("div", { class: "live-buttons" }, train));
    root.append(
      asked.element, controls, said.element, el("div", { class: "live-scroll" }, marks.element),
      el("div", { class: "live-columns" }, el("div", {}, drawing.element, exams), el("div", {}, words.element, logits.element)),
    );
    drawing.show(replayLive.pixels(data, data.test[0][0]));
    show();

    function show() {
      if (!own) {
        logits.draw(Array(10).fill(null));
        words.say(trained ? "Draw a digit, and say which one it is." : "Once the network is trained, it is asked about the drawing here.");
        return;
      }
      const { digit } = drawing;
      const said = answer(exam, own.logits, digit);
      logits.draw(own.logits, exam === "domain" ? -1 : said, 12, (unit) => exam === "task" && unit >> 1 !== digit >> 1);
      const result = right(exam, own.logits, digit) ? "right" : "wrong";
      const meant = exam === "domain" ? `${said ? "the second" : "the first"} of its pair (digits ${TASKS.map((pair) => pair[said]).join(", ")})` : `a ${said}`;
      const mask = { class: "All ten logits compete", domain: "The first digits of all pairs compete with the second ones", task: `Only ${TASKS[digit >> 1].join(" and ")} compete` }[exam];
      words.say(`${mask}. The network's answer: ${meant}. For a ${digit} that is ${result}.`);
    }

    async function run() {
      train.disabled = true;
      trained = false;
      own = null;
      learner.open(config);
      learner.watch({ images: null });
      for (let task = 0; task < TASKS.length; task++) await learner.run({ task, steps: STEPS, every: 20 });
      const looked = await learner.ask("lookAll", test.map((row) => replayLive.pixels(data, row)));
      trained = true;
      const scores = Object.keys(EXAMS).map((one, row) => {
        const each = TASKS.map((pair) => {
          const rows = test.map((_, k) => k).filter((k) => pair.includes(data.labels[test[k]]));
          return (100 * rows.filter((k) => right(one, looked[k], data.labels[test[k]])).length) / rows.length;
        });
        [...each, each.reduce((a, b) => a + b) / each.length].forEach((value, column) => marks.set(row, column, value));
        return each[0];
      });
      const trainedOver = config.scenario === "task" ? " Now try the other softmax in training." : " Then train again, with a softmax over the pair alone.";
      const best = Object.keys(EXAMS)[scores.indexOf(Math.max(...scores))];
      said.say(
        `On 0 and 1, which it learned first, the same network is right on ${scores.map((score, k) => `${Math.round(score)} % (${Object.values(NAMES)[k]})`).join(", ")}. ` +
          `Your guess, “${asked.words()}”, was ${asked.made() === best ? "right" : "not the best"}. Change the exam for your own drawing.${trainedOver}`,
      );
      train.disabled = false;
      if (drawing.x) learner.watch({ images: [drawing.x] });
    }
  };
})();
