/* Your store: the reader chooses the images that are kept, and the network is trained with them, and with random choices. */
(() => {
  "use strict";
  const TASKS = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]];
  const OFFERED = 8; // images of each digit to choose from
  const SLOTS = [3, 5, 10, 20];
  const STEPS = 100;
  const RANDOM = 5; // random stores to compare with
  const GUESSES = { mine: "My store does better", random: "A random store does better", same: "No difference (within 3 points)" };

  replayLive.parts.store = async (root) => {
    const { el, button, slider, guess, status, table, image } = replayLive;
    const data = await replayLive.digits();
    const config = { tasks: TASKS, scenario: "class", replay: "exact", hidden: [100, 100], latent: 1, gateProp: 0, lr: 0.001, batch: 32, seed: 1 };
    const offered = TASKS[0].flatMap((digit) => data.train[digit].slice(0, OFFERED));
    const learner = await replayLive.learner({ ...config, store: [] }, () => {});
    let slots = 10;
    let kept = [];
    let first = null;

    const controls = el("fieldset", { class: "live-controls" }, el("legend", { class: "live-hidden" }, "Fill the store and train"));
    const asked = guess(
      "A network has learned 0 to 4 and goes on to 5 to 9. You may keep a few images of 0 to 4 for replay. Will it remember more with the images that you choose than with as many random ones?",
      GUESSES, controls,
    );
    const size = slider("Room for", SLOTS, SLOTS.indexOf(slots), (value) => {
      slots = value;
      kept = kept.slice(0, slots);
      show();
    }, (value) => `${value} images`);
    const shelf = el("div", { class: "live-panel live-drop", role: "list", "aria-label": "Your store" });
    const offer = el("div", { class: "live-panel", role: "group", "aria-label": "Images of 0 to 4: press to put into the store, press again to take out" });
    const pictures = new Map();
    for (const row of offered) {
      const digit = data.labels[row];
      const picture = image(data.side, "", 34);
      picture.draw(replayLive.pixels(data, row));
      const press = button("", () => turn(row), { "aria-pressed": "false", "aria-label": `${digit}, image ${(offered.indexOf(row) % OFFERED) + 1}`, draggable: "true", class: "live-pick" });
      press.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", String(row)));
      press.append(picture.element);
      picture.element.setAttribute("aria-hidden", "true");
      offer.append(press);
      pictures.set(row, press);
    }
    shelf.addEventListener("dragover", (event) => event.preventDefault());
    shelf.addEventListener("drop", (event) => {
      event.preventDefault();
      const row = Number(event.dataTransfer.getData("text/plain"));
      if (pictures.has(row) && !kept.includes(row)) turn(row);
    });
    const train = button("Train with this store, and with five random ones", run);
    const fill = button("Fill at random", () => {
      kept = randomRows(Math.floor(1e6 * Math.random()));
      show();
    });
    const empty = button("Empty the store", () => {
      kept = [];
      show();
    });
    const said = status();
    const results = table(`Accuracy (%) after ${STEPS} steps on 5 to 9, with the store replayed`, ["0 to 4", "5 to 9", "all"], ["your store", "random, mean of 5", "random, best", "random, worst"]);
    controls.append(size, el("p", { class: "live-note" }, "Press images, or drag them into the store."), offer, shelf, el("div", { class: "live-buttons" }, train, fill, empty));
    root.append(asked.element, controls, said.element, results.element);
    show();

    function randomRows(seed) {
      return replayNumbers().generator(seed).shuffled(offered.length).slice(0, slots).map((k) => offered[k]);
    }

    function turn(row) {
      if (kept.includes(row)) kept = kept.filter((other) => other !== row);
      else if (kept.length < slots) kept = [...kept, row];
      else return said.say(`The store is full: it has room for ${slots} images. Press one that is in it to take it out.`);
      show();
    }

    function show() {
      const places = Array.from({ length: slots }, (_, k) => {
        const box = el("div", { role: "listitem", class: "live-slot" });
        if (kept[k] === undefined) box.setAttribute("aria-label", "empty");
        else {
          const picture = image(data.side, `a ${data.labels[kept[k]]}`, 34);
          picture.draw(replayLive.pixels(data, kept[k]));
          box.append(picture.element);
        }
        return box;
      });
      shelf.replaceChildren(...places);
      pictures.forEach((press, row) => press.setAttribute("aria-pressed", String(kept.includes(row))));
      train.disabled = kept.length !== slots;
      const missing = TASKS[0].filter((digit) => !kept.some((row) => data.labels[row] === digit));
      said.say(kept.length < slots ? `${kept.length} of ${slots} places are filled.` : `The store is full. ${missing.length ? `No image of ${missing.join(", ")} is in it.` : "Every digit is in it."}`);
    }

    async function trained(store) {
      if (!first) {
        // The first task knows of no store: it is learned once.
        learner.open(config);
        await learner.run({ task: 0, steps: STEPS, every: STEPS });
        first = await learner.ask("kept");
      }
      learner.open({ ...config, store });
      await learner.ask("restore", first);
      const { accuracies } = await learner.run({ task: 1, steps: STEPS, every: STEPS });
      return [...accuracies, (accuracies[0] + accuracies[1]) / 2];
    }

    async function run() {
      controls.disabled = true;
      said.say("Training with your store.");
      const mine = await trained(kept);
      const others = [];
      for (let k = 0; k < RANDOM; k++) {
        said.say(`Training with random store ${k + 1} of ${RANDOM}.`);
        others.push(await trained(randomRows(k + 1)));
      }
      others.sort((a, b) => a[0] - b[0]);
      const mean = mine.map((_, column) => others.reduce((sum, one) => sum + one[column], 0) / RANDOM);
      [mine, mean, others[RANDOM - 1], others[0]].forEach((row, r) => row.forEach((value, column) => results.set(r, column, value)));
      const found = Math.abs(mine[0] - mean[0]) <= 3 ? "same" : mine[0] > mean[0] ? "mine" : "random";
      controls.disabled = false;
      said.say(
        `With your store the network is right on ${Math.round(mine[0])} % of 0 to 4, with random ones on ${Math.round(mean[0])} % on average (${Math.round(others[0][0])} to ${Math.round(others[RANDOM - 1][0])} %). ` +
          `Your guess, “${asked.words()}”, was ${asked.made() === found ? "right" : "not what came out"}.`,
      );
    }
  };
})();
