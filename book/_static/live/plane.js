/* The plane of codes of two numbers: what each place looks like when it is decoded, and markers on it. */
(() => {
  "use strict";
  const SCALE = 3; // of a pixel, so that letters between them can be read
  const CELLS = 13;
  const SPAN = 2.6; // codes from -SPAN to SPAN, each way: 99 % of a standard normal number
  const TINTS = ["#9ecbe8", "#f6d096", "#98dcc6", "#f8b48b", "#e4bedd"]; // of the five pairs

  const grid = () => {
    const z = new Float32Array(2 * CELLS * CELLS);
    for (let row = 0; row < CELLS; row++)
      for (let column = 0; column < CELLS; column++) {
        z[2 * (row * CELLS + column)] = SPAN * ((2 * column) / (CELLS - 1) - 1);
        z[2 * (row * CELLS + column) + 1] = SPAN * (1 - (2 * row) / (CELLS - 1));
      }
    return z;
  };

  replayLive.plane = (side, label, pick) => {
    const { el } = replayLive;
    const size = CELLS * side * SCALE;
    const canvas = el("canvas", { width: size, height: size, role: "img", "aria-label": label, class: "live-plane" });
    const marks = {};
    const box = el("div", { class: "live-map" }, canvas);
    const context = canvas.getContext("2d");
    const small = el("canvas", { width: side, height: side });

    /** x: the decoded images of the grid; labels: what each is taken for, or null; tinted by pair and written if `owned`. */
    function draw(x, labels, owned = false) {
      const pen = small.getContext("2d");
      const pixels = pen.createImageData(side, side);
      context.font = "bold 13px system-ui, sans-serif";
      for (let cell = 0; cell < CELLS * CELLS; cell++) {
        const left = (cell % CELLS) * side * SCALE, top = Math.floor(cell / CELLS) * side * SCALE;
        const tint = owned && labels[cell] >= 0 ? TINTS[labels[cell] >> 1] : "#ffffff";
        const paper = [1, 3, 5].map((k) => parseInt(tint.slice(k, k + 2), 16));
        for (let k = 0; k < side * side; k++) {
          const ink = x[cell * side * side + k];
          for (let c = 0; c < 3; c++) pixels.data[4 * k + c] = paper[c] * (1 - ink);
          pixels.data[4 * k + 3] = 255;
        }
        pen.putImageData(pixels, 0, 0);
        context.drawImage(small, left, top, side * SCALE, side * SCALE);
        context.fillStyle = "#000";
        if (owned) context.fillText(labels[cell], left + 2, top + 13);
      }
    }

    /** A named marker at a code; null takes it away. */
    function mark(name, z, words = name) {
      marks[name] ||= box.appendChild(el("span", { class: `live-pin live-pin-${name}`, "aria-hidden": "true" }, words));
      marks[name].hidden = !z;
      marks[name].textContent = words;
      if (!z) return;
      const place = (value) => 50 + (50 * Math.max(-1, Math.min(1, value / SPAN)) * (CELLS - 1)) / CELLS;
      marks[name].style.cssText = `left:${place(z[0])}%;top:${place(-z[1])}%`;
    }

    const picked = (event) => {
      const at = canvas.getBoundingClientRect();
      const code = (share) => ((2 * share - 1) * SPAN * CELLS) / (CELLS - 1);
      pick?.([code((event.clientX - at.left) / at.width), -code((event.clientY - at.top) / at.height)].map((v) => Math.max(-SPAN, Math.min(SPAN, v))));
    };
    canvas.addEventListener("pointerdown", (event) => (canvas.setPointerCapture(event.pointerId), picked(event)));
    canvas.addEventListener("pointermove", (event) => event.buttons && picked(event));
    return { element: box, draw, mark, grid, cells: CELLS, span: SPAN, describe: (words) => canvas.setAttribute("aria-label", words) };
  };

  /** Weights as `tools/live_weights.py` writes them: whole numbers of one byte, and a scale for each row. */
  replayLive.weights = (packed) => {
    const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return Object.fromEntries(
      Object.entries(packed).map(([name, { whole, scale }]) => {
        const numbers = new Int8Array(bytes(whole).buffer);
        const scales = new Float32Array(bytes(scale).buffer);
        const width = numbers.length / scales.length;
        return [name, Float32Array.from(numbers, (value, k) => value * scales[Math.floor(k / width)])];
      }),
    );
  };
})();
