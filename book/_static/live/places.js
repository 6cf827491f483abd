/* One code, five tasks: what the same codes are decoded to by a generator of the published scale after each task. */
(() => {
  "use strict";
  const TASKS = [1, 2, 3, 4, 5];
  const GUESSES = { most: "Most of them", half: "About half", few: "A third, or fewer" };
  const SEED = 3;

  replayLive.parts.places = async (root) => {
    await Promise.all([replayLive.load("plane"), replayLive.load("stored")]);
    const { el, button, slider, guess, status, image } = replayLive;
    const numbers = replayNumbers();
    const { decode, judge } = replayStored(numbers);
    const there = {}; // by task, and of the judge: its weights
    const planes = {}; // by task: the sheet's images, as small ones, and the digits
    let at = [0, 0];

    const controls = el("fieldset", { class: "live-controls" }, el("legend", { class: "live-hidden" }, "Load the networks, and look at their codes"));
    const asked = guess(
      "A generator with 400-400 units learned five tasks, 2,000 steps each, and replayed what it imagined itself. After task 1 it knows 0s and 1s alone, and every code is decoded to one of them or to something between. Take the same codes again after task 5. How many of them still show the digit that they showed after task 1?",
      GUESSES, controls,
    );
    const said = status("Nothing is loaded yet. The five decoders and a judge, a byte a weight, are 3.6 MB.");
    const loading = button("Load the networks (3.6 MB)", load);
    const explored = el("div", { hidden: true });
    controls.append(el("div", { class: "live-buttons" }, loading), explored);
    root.append(asked.element, controls, said.element);

    let plane, when, across, up, strip, place;

    /** Every place of the sheet is a code of standard normal numbers like any other, and neighbours are alike. */
    const random = numbers.generator(SEED);
    const corners = Array.from({ length: 4 }, () => Float32Array.from({ length: 100 }, random.normal));
    function code([x, y]) {
      const [a, b] = [x, y].map((value) => (value / plane.span) * (Math.PI / 2));
      const parts = [Math.sin(a), Math.cos(a), Math.sin(b), Math.cos(b)];
      return Float32Array.from(corners[0], (_, k) => parts.reduce((sum, part, c) => sum + part * corners[c][k], 0) / Math.SQRT2);
    }

    /** Every second pixel each way, as a mean of four. */
    function halved(x, side) {
      const half = side / 2;
      return Float32Array.from({ length: half * half }, (_, k) => {
        const first = 2 * side * Math.floor(k / half) + 2 * (k % half);
        return (x[first] + x[first + 1] + x[first + side] + x[first + side + 1]) / 4;
      });
    }

    const pause = () => new Promise((done) => setTimeout(done));

    async function load() {
      const focused = document.activeElement === loading; // a button that is disabled loses the focus
      const focus = (where) => focused && document.activeElement === document.body && where.focus();
      loading.disabled = true;
      try {
        for (const name of ["joint-5", ...TASKS.map((one) => `gr-${one}`)]) {
          if (there[name]) continue;
          said.say(`Loading: ${Object.keys(there).length} of 6 networks are there.`);
          await replayLive.load(name);
          there[name] = replayLive.weights(self.replayData[name]);
        }
      } catch {
        loading.disabled = false;
        loading.textContent = "Try again";
        focus(loading);
        said.say(`Only ${Object.keys(there).length} of 6 networks could be loaded. Are you offline? What is there is kept.`);
        return;
      }
      build();
      for (const one of TASKS) {
        said.say(`Decoding 169 codes with the network after task ${one}.`);
        await imagine(one);
        show(one);
      }
      explored.hidden = false;
      loading.parentElement.remove();
      focus(when.input);
      walk(at);
      summary();
    }

    function build() {
      plane = replayLive.plane(14, "What a sheet of codes is decoded to", (picked) => !controls.disabled && walk(picked));
      const steps = Array.from({ length: 27 }, (_, k) => Number((-plane.span + 0.2 * k).toFixed(1)));
      const words = (value) => value.toFixed(1).replace("-", "−");
      across = slider("across", steps, 13, (value) => walk([value, at[1]]), words);
      up = slider("up", steps, 13, (value) => walk([at[0], value]), words);
      strip = el("div", { class: "live-panel live-five", role: "list", "aria-label": "The marked code after each task" });
      place = status();
      when = slider("after task", TASKS, 4, (value) => show(value));
      explored.append(
        el("div", { class: "live-buttons" }, when),
        el("div", { class: "live-columns" },
          el("div", {}, plane.element),
          el("div", {}, el("p", { class: "live-note" }, "The marked code, ✛, after tasks 1 to 5:"), strip, place.element, across, up)),
      );
    }

    async function imagine(one) {
      const cells = plane.cells, grid = plane.grid(), small = [], labels = [];
      for (let row = 0; row < cells; row++) {
        const z = new Float32Array(100 * cells);
        for (let k = 0; k < cells; k++) z.set(code(grid.subarray(2 * (row * cells + k))), 100 * k);
        const x = decode(there[`gr-${one}`], z, cells);
        labels.push(...judge(there["joint-5"], x, cells));
        for (let k = 0; k < cells; k++) small.push(...halved(x.subarray(784 * k, 784 * (k + 1)), 28));
        if (row % 4 === 3) await pause();
      }
      planes[one] = { x: Float32Array.from(small), labels };
    }

    const share = (labels, pair) => Math.round((100 * labels.filter((label) => label >> 1 === pair).length) / labels.length);

    function show(one) {
      const { x, labels } = planes[one];
      plane.draw(x, labels, true);
      const owned = replayLive.pairs.map((pair, k) => `${pair.join(" and ")}: ${share(labels, k)} %`).slice(0, one).join(", ");
      plane.describe(`169 codes decoded after task ${one}. Share of them in which the judge sees each pair of digits: ${owned}.`);
      if (!explored.hidden) said.say(`After task ${one}: ${owned} of the codes.${one > 1 ? ` Since task ${one - 1}, ${moved(one - 1, one)} % of them have become another digit.` : ""}`);
    }

    const moved = (from, to) => {
      const changed = planes[to].labels.filter((label, k) => label !== planes[from].labels[k]).length;
      return Math.round((100 * changed) / planes[to].labels.length);
    };

    function summary() {
      const kept = 100 - moved(1, 5);
      const found = kept > 65 ? "most" : kept > 34 ? "half" : "few";
      said.say(
        `After task 5, ${kept} % of the 169 codes of this sheet still show the digit of task 1. In ${share(planes[5].labels, 0)} % the judge sees a 0 or a 1; a fair share would be 20 %. ` +
          `Your guess, “${asked.words()}”, was ${asked.made() === found ? "right" : "not what came out"}. Step back through the tasks, and move the mark: when does a place change its owner?`,
      );
    }

    function walk(to) {
      at = to;
      [across, up].forEach(({ input }, c) => {
        const words = at[c].toFixed(1).replace("-", "−");
        input.value = Math.round((at[c] + plane.span) * 5);
        input.setAttribute("aria-valuetext", words);
        input.nextElementSibling.textContent = words;
      });
      plane.mark("here", at, "✛");
      const z = code(at);
      const digits = [];
      strip.replaceChildren(...TASKS.map((one) => {
        const x = decode(there[`gr-${one}`], z, 1);
        const [label] = judge(there["joint-5"], x, 1);
        digits.push(label);
        const picture = image(28, `after task ${one}: a ${label}`, 56);
        picture.draw(x);
        return el("div", { role: "listitem" }, picture.element, el("span", { class: "live-answer" }, `${one}: a ${label}`));
      }));
      place.say(`In this code the judge sees, after tasks 1 to 5: ${digits.join(", ")}.`);
    }
  };
})();
