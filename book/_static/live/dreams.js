/* Choose what to replay: a trained network of brain-inspired replay, its modes, its gates, and units to silence by hand. */
(() => {
  "use strict";
  const MADE = 24;
  const GUESSES = { mode: "4s: the mode decides", gates: "7s: the gates decide", neither: "neither, or some of each" };
  const DIGITS = Object.fromEntries([...Array(10).keys()].map((digit) => [digit, digit]));

  replayLive.parts.dreams = async (root) => {
    await Promise.all([replayLive.load("plane"), replayLive.load("brain")]);
    const { el, button, select, check, slider, guess, status, image } = replayLive;
    const data = await replayLive.digits();
    const config = {
      tasks: replayLive.pairs, scenario: "class", replay: "generated", feedback: true, conditional: true, gating: true, distill: true,
      hidden: [100, 100], latent: 32, gateProp: 0.7, lr: 0.001, batch: 32, seed: 1,
    };
    const learner = await replayLive.learner(config, () => {});
    await learner.ask("load", replayLive.weights(self.replayData.brain), [0, 1, 2, 3, 4]);
    let unit = 4, mode = true, gates = "7", share = 0, units = 100;
    const silenced = new Set();

    const controls = el("fieldset", { class: "live-controls" }, el("legend", { class: "live-hidden" }, "What to imagine"));
    const asked = guess("The network draws its codes from the mode of 4, and opens the gates of 7. What will it imagine?", GUESSES, controls);
    const which = select("codes of", DIGITS, unit, (value) => ((unit = Number(value)), show()));
    const modes = check("drawn from the mode of that digit (conditional replay)", true, (on) => ((mode = on), show()));
    const doors = select("gates of", { ...DIGITS, all: "none: all open" }, gates, (value) => ((gates = value), show()));
    const shut = slider("close more, at random", [0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9], 0, (value) => {
      share = value;
      const order = replayNumbers().generator(3).shuffled(2 * units);
      silenced.clear();
      order.slice(0, Math.floor(share * 2 * units)).forEach((one) => silenced.add(one));
      show();
    }, (value) => `${Math.round(100 * value)} %`);
    const wake = button("Open them again", () => {
      silenced.clear();
      show();
    });
    const panel = el("div", { class: "live-panel", role: "list", "aria-label": "Imagined images, and what the network takes each for" });
    const pictures = Array.from({ length: MADE }, () => {
      const picture = image(data.side, "imagined", 38);
      const answer = el("span", { class: "live-answer" });
      panel.append(el("div", { role: "listitem" }, picture.element, answer));
      return { picture, answer };
    });
    const said = status();
    let at = 0;
    const cells = Array.from({ length: units }, (_, k) =>
      button("", () => {
        if (silenced.has(k)) silenced.delete(k);
        else silenced.add(k);
        show();
      }, { class: "live-unit", tabindex: k ? -1 : 0 }));
    const grid = el("div", { class: "live-units", role: "group", "aria-label": "The 100 units of the decoder's first layer; arrow keys move, Enter silences" }, ...cells);
    grid.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 20, ArrowUp: -20 }[event.key];
      if (!move) return;
      event.preventDefault();
      cells[at].tabIndex = -1;
      at = (at + move + units) % units;
      cells[at].tabIndex = 0;
      cells[at].focus();
    });
    grid.addEventListener("focusin", ({ target }) => {
      if (!cells.includes(target)) return;
      cells[at].tabIndex = -1;
      at = cells.indexOf(target);
      target.tabIndex = 0;
    });
    controls.append(which, modes, doors, shut, wake, el("p", { class: "live-note" }, "Units of the decoder's first layer: filled ones are open, hollow ones closed by the gates, ✕ silenced by you. Press one."), grid);
    root.append(asked.element, controls, said.element, panel);
    await show();

    async function show() {
      const { x, labels, open } = await learner.ask("imagined", { unit, n: MADE, mode, gates: gates === "all" ? null : Number(gates), silenced: [...silenced] });
      labels.forEach((label, k) => {
        pictures[k].picture.draw(x.subarray(k * data.inputs, (k + 1) * data.inputs));
        pictures[k].picture.describe(`imagined, taken for a ${label}`);
        pictures[k].answer.textContent = label;
      });
      cells.forEach((cell, k) => {
        const state = silenced.has(k) ? "silenced" : open[k] ? "open" : "closed";
        cell.dataset.unit = state;
        cell.textContent = state === "silenced" ? "✕" : "";
        cell.setAttribute("aria-label", `unit ${k + 1}: ${state}`);
      });
      const count = (digit) => labels.filter((label) => label === digit).length;
      const others = gates !== "all" && Number(gates) !== unit ? ` and ${count(Number(gates))} for a ${gates}` : "";
      let verdict = "";
      if (asked.made() && unit === 4 && gates === "7" && mode && !silenced.size) {
        const found = count(4) > (2 * MADE) / 3 ? "mode" : count(7) > (2 * MADE) / 3 ? "gates" : "neither";
        verdict = ` Your guess, “${asked.words()}”, was ${asked.made() === found ? "right" : "not what came out"}.`;
      }
      said.say(`Of ${MADE} images from ${mode ? `the mode of ${unit}` : "plain noise"}, with ${gates === "all" ? "all gates open" : `the gates of ${gates}`}${silenced.size ? ` and ${silenced.size} units silenced` : ""}, the network takes ${count(unit)} for a ${unit}${others}.${verdict}`);
    }
    asked.element.addEventListener("change", show);
  };
})();
