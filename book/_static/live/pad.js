/* A pad to draw a digit on, by mouse, finger or keys, and what the network sees of it: size and place as in MNIST. */
(() => {
  "use strict";
  if (typeof replayLive === "undefined") return;
  const SIZE = 168;
  const STEP = 12; // of the pen, when it is moved by keys

  replayLive.pad = (side, change, label = "Draw a digit here") => {
    const { el, button } = replayLive;
    const canvas = el("canvas", { width: SIZE, height: SIZE, class: "live-pad", tabindex: 0, role: "application", "aria-label": `${label}. With the keyboard: arrow keys move the pen, space puts it down and lifts it, Delete clears.` });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const pen = { x: SIZE / 2, y: SIZE / 2, down: false };
    let used = false;

    function clear() {
      used = false;
      context.fillStyle = "#fff";
      context.fillRect(0, 0, SIZE, SIZE);
      context.strokeStyle = context.fillStyle = "#000";
      context.lineWidth = 15;
      context.lineCap = context.lineJoin = "round";
    }
    function line(x, y, ink = true) {
      if (ink) {
        context.beginPath();
        context.moveTo(pen.x, pen.y);
        context.lineTo(x, y);
        context.stroke();
        used = true;
        change(seen());
      }
      Object.assign(pen, { x, y });
    }

    /** The drawing as MNIST's digits are made: the longer side 10 of 14 pixels, the middle of the ink in the middle. */
    function seen() {
      const { data } = context.getImageData(0, 0, SIZE, SIZE);
      const ink = (x, y) => 255 - data[4 * (y * SIZE + x)];
      let left = SIZE, right = -1, top = SIZE, bottom = -1, mass = 0, mx = 0, my = 0;
      for (let y = 0; y < SIZE; y++)
        for (let x = 0; x < SIZE; x++) {
          const v = ink(x, y);
          if (v < 40) continue;
          left = Math.min(left, x);
          right = Math.max(right, x);
          top = Math.min(top, y);
          bottom = Math.max(bottom, y);
          mass += v;
          mx += v * x;
          my += v * y;
        }
      if (!mass) return new Float32Array(side * side);
      const scale = ((side * 10) / 14) / (Math.max(right - left, bottom - top) + 1);
      const fine = 4; // samples a pixel, each way
      const out = new Float32Array(side * side);
      for (let y = 0; y < side * fine; y++)
        for (let x = 0; x < side * fine; x++) {
          const sx = Math.round((x + 0.5) / fine / scale - side / 2 / scale + mx / mass);
          const sy = Math.round((y + 0.5) / fine / scale - side / 2 / scale + my / mass);
          if (sx < 0 || sy < 0 || sx >= SIZE || sy >= SIZE) continue;
          out[Math.floor(y / fine) * side + Math.floor(x / fine)] += ink(sx, sy) / 255 / fine ** 2;
        }
      return out;
    }

    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) * SIZE) / box.width, ((event.clientY - box.top) * SIZE) / box.height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      const [x, y] = place(event);
      Object.assign(pen, { x, y, down: false });
      line(x, y);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && line(...place(event)));
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (move) line(Math.min(SIZE, Math.max(0, pen.x + STEP * move[0])), Math.min(SIZE, Math.max(0, pen.y + STEP * move[1])), pen.down);
      else if (event.key === " ") {
        pen.down = !pen.down;
        if (pen.down) line(pen.x, pen.y);
      } else if (event.key === "Delete" || event.key === "Backspace") wipe();
      else return;
      event.preventDefault();
    });
    function wipe() {
      clear();
      pen.down = false;
      change(null);
    }
    /** Put an image of the data on the pad, in the place of a drawing. */
    function show(x) {
      clear();
      const cell = SIZE / side;
      for (let k = 0; k < side * side; k++) {
        const grey = Math.round(255 * (1 - x[k]));
        context.fillStyle = `rgb(${grey},${grey},${grey})`;
        context.fillRect(Math.floor((k % side) * cell), Math.floor(Math.floor(k / side) * cell), Math.ceil(cell), Math.ceil(cell));
      }
      context.strokeStyle = context.fillStyle = "#000";
      used = true;
      change(x);
    }
    clear();
    return { element: canvas, clear: button("Clear the drawing", wipe), show, used: () => used };
  };

  /** The pad with what the network sees of it, which digit it is meant to be, and test images to take instead. */
  replayLive.drawing = (data, change, clearable = true) => {
    const { el, button, select, image } = replayLive;
    const me = { x: null, digit: 0 };
    const tell = () => change(me.x, me.digit);
    const preview = image(data.side, "What the network sees of the drawing", 56);
    const paper = replayLive.pad(data.side, (x) => {
      me.x = x;
      preview.draw(x || new Float32Array(data.inputs));
      tell();
    });
    const digit = select("My drawing is a", Object.fromEntries([...Array(10).keys()].map((k) => [k, k])), 0, (value) => {
      me.digit = Number(value);
      tell();
    });
    let next = 0;
    const example = button("Use a test image", () => paper.show(replayLive.pixels(data, data.test[me.digit][next++ % data.test[me.digit].length])));
    me.element = el("div", { class: "live-drawing" }, paper.element, el("div", {}, preview.element, digit, example, clearable ? paper.clear : null));
    me.show = paper.show;
    return me;
  };
})();
