/* Walk through z: a plane of codes that the reader walks through, draws into, and bends by training on with another beta. */
(() => {
  "use strict";
  const BETAS = [0.1, 0.3, 1, 2, 4];
  const STEPS = 300;
  const BETWEEN = 9; // images on the way from one digit to another
  const GUESSES = { border: "0s, then a border, then 1s", shapes: "shapes between the two, or other digits", noise: "grey noise" };

  replayLive.parts.z = async (root) => {
    await Promise.all([replayLive.load("plane"), replayLive.load("codes")]);
    const { el, button, slider, guess, status, image, still } = replayLive;
    const data = await replayLive.digits();
    const config = {
      tasks: [[...Array(10).keys()]], scenario: "class", replay: "generated", feedback: true, hidden: [100, 100], latent: 2,
      gateProp: 0, lr: 0.001, batch: 64, seed: 1, beta: 1,
    };
    let z = [0, 0], beta = 1, busy = false, drawing = null;
    const learner = await replayLive.learner(config, async ({ steps, looked, losses, done }) => {
      if (looked || (still() && !done)) return;
      await look();
      if (!done) said.say(`Training with β = ${beta}: ${steps} steps.`);
      else said.say(`After ${STEPS} more steps with β = ${beta}: reconstruction loss ${(losses.reconstruction * data.inputs).toFixed(1)} nats, divergence ${((losses.variational * data.inputs) / beta).toFixed(1)} nats a sample in the last batch. Look at the plane: more room for each digit, or less?`);
    });
    const weights = replayLive.weights(self.replayData.codes);
    const fresh = () => learner.ask("load", weights, [0]);
    await fresh();

    const controls = el("fieldset", { class: "live-controls" }, el("legend", { class: "live-hidden" }, "Walk and train"));
    const asked = guess(
      "A network has learned to describe each digit by two numbers, z₁ and z₂. On the straight line from where the 0s are to where the 1s are: what does it draw?",
      GUESSES, controls,
    );
    const plane = replayLive.plane(data.side, "Digits decoded from a plane of codes", (picked) => !controls.disabled && walk(picked));
    const large = image(data.side, "The digit at the marked code", 112);
    const place = status();
    const said = status("A trained network: 1,000 images, and a code of two numbers.");
    const steps = Array.from({ length: 53 }, (_, k) => Number((-plane.span + k * 0.1).toFixed(1)));
    const across = slider("z₁", steps, 26, (value) => walk([value, z[1]]), (value) => value.toFixed(1));
    const up = slider("z₂", steps, 26, (value) => walk([z[0], value]), (value) => value.toFixed(1));
    const strip = el("div", { class: "live-panel", role: "list", "aria-label": "On the way from 0 to 1" });
    const line = button("Walk from 0 to 1", async () => {
      const ends = await Promise.all([0, 1].map(middle));
      const way = new Float32Array(2 * BETWEEN);
      for (let k = 0; k < BETWEEN; k++) for (let c = 0; c < 2; c++) way[2 * k + c] = ends[0][c] + ((ends[1][c] - ends[0][c]) * k) / (BETWEEN - 1);
      const { x, labels } = await learner.ask("decoded", way, BETWEEN);
      strip.replaceChildren(...labels.map((label, k) => {
        const picture = image(data.side, `taken for a ${label}`, 40);
        picture.draw(x.subarray(k * data.inputs, (k + 1) * data.inputs));
        return el("div", { role: "listitem" }, picture.element, el("span", { class: "live-answer" }, String(label)));
      }));
      plane.mark("from", ends[0], "0");
      plane.mark("to", ends[1], "1");
      said.say(`On the way from the middle of the 0s to that of the 1s the network takes what it draws for ${labels.join(", ")}. You guessed: ${asked.words()}.`);
    });
    const train = button(`Train on, ${STEPS} steps`, async () => {
      set(true);
      await learner.ask("weigh", beta);
      await learner.run({ task: 0, steps: STEPS, every: 15 });
      set(false);
    });
    const again = button("Back to the first network", async () => {
      learner.open(config);
      await fresh();
      await look();
      said.say("The network as it was at first, with β = 1.");
    });
    const weight = slider("weight β of the divergence", BETAS, 2, (value) => (beta = value));
    const pad = replayLive.drawing(data, (x) => {
      drawing = x;
      encode();
    });
    const rebuilt = image(data.side, "Your drawing, decoded from its code", 56);
    pad.element.lastElementChild.firstElementChild.after(rebuilt.element);
    controls.append(
      el("div", { class: "live-columns" },
        el("div", {}, plane.element),
        el("div", {}, el("div", { class: "live-drawing" }, large.element, el("div", {}, across, up)), place.element, el("div", { class: "live-buttons" }, line), strip,
          el("p", { class: "live-note" }, "Draw a digit: the marker ✎ is where the encoder puts it, and the lower small image what comes back."),
          pad.element),
      ),
      el("div", { class: "live-buttons" }, weight, train, again),
    );
    root.append(asked.element, controls, said.element);
    await look();

    function set(now) {
      busy = now;
      for (const one of [train, again, line]) one.disabled = busy;
    }

    /** The mean code of a digit's test images. */
    async function middle(digit) {
      const rows = data.test[digit];
      const x = new Float32Array(rows.length * data.inputs);
      rows.forEach((row, k) => x.set(replayLive.pixels(data, row), k * data.inputs));
      const codes = await learner.ask("encoded", x, rows.length);
      return [0, 1].map((c) => rows.reduce((sum, _, k) => sum + codes[2 * k + c], 0) / rows.length);
    }

    async function walk(to) {
      z = to;
      [across, up].forEach(({ input }, c) => {
        input.value = Math.round((z[c] + plane.span) * 10);
        input.setAttribute("aria-valuetext", z[c].toFixed(1));
        input.nextElementSibling.textContent = z[c].toFixed(1).replace("-", "−");
      });
      plane.mark("here", z, "✛");
      const { x, labels } = await learner.ask("decoded", Float32Array.from(z), 1);
      large.draw(x);
      place.say(`z = (${z.map((v) => v.toFixed(1)).join(", ").replaceAll("-", "−")}) decodes to what the network takes for a ${labels[0]}.`);
      large.describe(`The digit at the marked code, taken for a ${labels[0]}`);
    }

    async function encode() {
      if (!drawing) return plane.mark("drawn", null, "✎");
      const code = await learner.ask("encoded", drawing, 1);
      plane.mark("drawn", code, "✎");
      rebuilt.draw((await learner.ask("decoded", code, 1)).x);
    }

    async function look() {
      const { x, labels } = await learner.ask("decoded", plane.grid(), plane.cells ** 2);
      plane.draw(x, labels);
      const each = [...Array(10).keys()].map((digit) => `${digit}: ${Math.round((100 * labels.filter((one) => one === digit).length) / labels.length)} %`);
      plane.describe(`Digits decoded from a plane of codes. Share of the plane that the network takes for each: ${each.join(", ")}.`);
      await Promise.all([walk(z), encode()]);
    }
  };
})();
