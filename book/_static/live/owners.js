/* Who owns the plane of codes: a network with generative replay learns five tasks, and a region may change its owner. */
(() => {
  "use strict";
  const STEPS = 150;
  const GUESSES = { keep: "It keeps nearly all of it", half: "It keeps about half", lose: "It loses nearly all of it" };

  replayLive.parts.owners = async (root) => {
    await replayLive.load("plane");
    const { el, button, choice, guess, status, still } = replayLive;
    const data = await replayLive.digits();
    const TASKS = replayLive.pairs;
    const config = { tasks: TASKS, scenario: "class", replay: "generated", distill: true, hidden: [100, 100], latent: 2, gateProp: 0, lr: 0.001, batch: 32, seed: 1 };
    let planes = [], accuracies = [];
    const learner = await replayLive.learner(config, async ({ task, looked, done }) => {
      if (looked || (still() && !done)) return;
      await look(task);
    });

    const controls = el("fieldset", { class: "live-controls" }, el("legend", { class: "live-hidden" }, "Train, and look back"));
    const asked = guess(
      "After task 1 the whole plane of codes belongs to 0 and 1. Four more tasks follow, and the network replays what it imagines. How much of a fifth of the plane, their fair share, do 0 and 1 keep?",
      GUESSES, controls,
    );
    const plane = replayLive.plane(data.side, "Digits imagined from a plane of codes");
    const said = status("Nothing is learned yet.");
    const train = button(`Train five tasks, ${STEPS} steps each`, run);
    const back = el("div");
    controls.append(el("div", { class: "live-buttons" }, train), back);
    root.append(asked.element, controls, plane.element, said.element);

    const share = (labels, task) => (100 * labels.filter((label) => label >> 1 === task).length) / labels.length;

    async function look(task) {
      planes[task] = await learner.ask("decoded", plane.grid(), plane.cells ** 2);
      show(task);
    }

    function show(task) {
      const { x, labels } = planes[task];
      plane.draw(x, labels, true);
      const owned = TASKS.slice(0, task + 1).map((pair, k) => `${pair.join(" and ")} ${Math.round(share(labels, k))} %`).join(", ");
      plane.describe(`The plane of codes after task ${task + 1}. Share of the plane that the network takes for each pair: ${owned}.`);
      return owned;
    }

    async function run() {
      train.disabled = true;
      planes = [];
      back.replaceChildren();
      learner.open(config);
      for (let task = 0; task < TASKS.length; task++) {
        said.say(`Task ${task + 1}: ${TASKS[task].join(" and ")}${task ? ", with what it imagines of earlier tasks replayed" : ""}.`);
        accuracies = (await learner.run({ task, steps: STEPS, every: 20 })).accuracies;
        await look(task);
      }
      back.replaceChildren(
        choice("The plane of codes", Object.fromEntries(TASKS.map((_, task) => [task, `after task ${task + 1}`])), "4", (task) => said.say(`After task ${Number(task) + 1}: ${show(Number(task))} of the plane.`)),
      );
      const kept = share(planes[4].labels, 0);
      const found = kept > 15 ? "keep" : kept > 5 ? "half" : "lose";
      said.say(
        `At the end 0 and 1 own ${Math.round(kept)} % of the plane (a fair share would be 20 %), and the network is right on ${Math.round(accuracies[0])} % of them. ` +
          `Your guess, “${asked.words()}”, was ${asked.made() === found ? "right" : "not what came out"}. Step back through the tasks, and see who took what.`,
      );
      train.disabled = false;
    }
  };
})();
