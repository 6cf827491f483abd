/* What the live parts are made of: native controls, small pictures drawn from numbers, and words that say what happened. */
(() => {
  "use strict";
  if (typeof replayLive === "undefined") return;
  const SVG = "http://www.w3.org/2000/svg";
  let count = 0;

  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  function fill(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }
  const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  const button = (words, press, attributes = {}) => el("button", { type: "button", onclick: press, ...attributes }, words);

  /** A choice of a few words: native radio buttons in a fieldset. */
  function choice(legend, options, chosen, change, attributes = {}) {
    const name = `live-${++count}`;
    const inputs = Object.entries(options).map(([value, words]) =>
      el("label", {}, el("input", { type: "radio", name, value, checked: value === chosen, onchange: () => change(value) }), words),
    );
    return el("fieldset", attributes, el("legend", {}, legend), ...inputs);
  }

  function select(label, options, chosen, change) {
    const list = el("select", { onchange: () => change(list.value) });
    for (const [value, words] of Object.entries(options)) list.append(el("option", { value, selected: value === String(chosen) }, words));
    return Object.assign(el("label", { class: "live-field" }, `${label} `, list), { input: list });
  }

  /** A slider over a list of values; what it stands at is said beside it and to a screen reader. */
  function slider(label, values, start, change, words = String) {
    const out = el("output", {}, words(values[start]));
    const input = el("input", {
      type: "range", min: 0, max: values.length - 1, step: 1, value: start, "aria-valuetext": words(values[start]),
      oninput: () => {
        const value = values[Number(input.value)];
        out.textContent = words(value);
        input.setAttribute("aria-valuetext", words(value));
        change(value);
      },
    });
    return Object.assign(el("label", { class: "live-field" }, `${label} `, input, " ", out), { input });
  }

  function check(label, on, change) {
    const input = el("input", { type: "checkbox", checked: on, onchange: () => change(input.checked) });
    return Object.assign(el("label", { class: "live-check" }, input, label), { input });
  }

  /** The question first: what follows is opened by a guess, any guess. */
  function guess(question, options, follows) {
    let made = null;
    follows.disabled = true;
    const note = el("p", { class: "live-note" }, "Choose an answer to begin. What the network does then is computed here.");
    const asked = choice(question, options, null, (value) => {
      made = value;
      follows.disabled = false;
      note.textContent = `Your guess: ${options[value]}. Now try it.`;
    }, { class: "live-guess" });
    return { element: el("div", {}, asked, note), made: () => made, words: () => options[made] };
  }

  /** A paragraph that a screen reader reads out when it changes. */
  function status(words = "") {
    const line = el("p", { class: "live-status", role: "status", "aria-live": "polite" }, words);
    return { element: line, say: (said) => line.textContent !== said && (line.textContent = said) };
  }

  /** Lines over steps, drawn from numbers: series are {name, colour (1 to 5), points [[step, value]]}. */
  function curves({ label, unit = "", low = 0, high = 100, height = 190 }) {
    const W = 400, left = 46, right = 44, top = 12, bottom = 32;
    const picture = svg("svg", { viewBox: `0 0 ${W} ${height}`, role: "img", "aria-label": label, class: "live-curves" });
    function draw(series, steps, marks = []) {
      const all = series.flatMap(({ points }) => points.map(([, value]) => value));
      const [a, b] = low === null ? [Math.floor(Math.min(-1, ...all)), Math.ceil(Math.max(1, ...all))] : [low, high];
      const x = (step) => left + ((W - left - right) * step) / Math.max(steps, 1);
      const y = (value) => top + ((height - top - bottom) * (b - value)) / (b - a);
      const now = Math.max(0, ...series.flatMap(({ points }) => points.map(([step]) => step)));
      const parts = [a, (a + b) / 2, b].flatMap((value) => [
        svg("line", { x1: left, x2: W - right, y1: y(value), y2: y(value), class: "live-grid" }),
        svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, `${value}${unit}`.replace("-", "−")),
      ]);
      parts.push(svg("text", { x: (left + W - right) / 2, y: height - 6, "text-anchor": "middle" }, `training steps, ${now < steps ? `${now} of ${steps}` : steps} so far`));
      for (const [step, words] of marks)
        parts.push(
          svg("line", { x1: x(step), x2: x(step), y1: top, y2: height - bottom, class: "live-mark" }),
          svg("text", { x: x(step) + 3, y: height - bottom + 12 }, words),
        );
      const ends = [];
      for (const { name, colour, points } of series.filter(({ points }) => points.length)) {
        parts.push(svg("polyline", { points: points.map(([s, v]) => `${x(s).toFixed(1)},${y(v).toFixed(1)}`).join(" "), class: `live-line live-c${colour}` }));
        const [step, value] = points[points.length - 1];
        ends.push({ name, colour, x: x(step) + 5, y: y(value) + 4 });
      }
      ends.sort((p, q) => p.y - q.y);
      ends.forEach((end, k) => k && (end.y = Math.max(end.y, ends[k - 1].y + 13)));
      const over = ends.length ? Math.max(0, ends[ends.length - 1].y - (height - bottom + 4)) : 0;
      for (const end of ends) parts.push(svg("text", { x: end.x, y: end.y - over, class: `live-ink${end.colour}` }, end.name));
      picture.replaceChildren(...parts);
    }
    draw([], 0);
    return { element: picture, draw, describe: (words) => picture.setAttribute("aria-label", words) };
  }

  /** One small image, ink on paper whatever the theme. */
  function image(side, label, size = 42) {
    const canvas = el("canvas", { width: side, height: side, role: "img", "aria-label": label, class: "live-image", style: `width:${size}px;height:${size}px` });
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(side, side);
    const draw = (x) => {
      for (let k = 0; k < side * side; k++) {
        pixels.data.fill(255 - Math.round(255 * Math.min(1, Math.max(0, x[k]))), 4 * k, 4 * k + 3);
        pixels.data[4 * k + 3] = 255;
      }
      context.putImageData(pixels, 0, 0);
    };
    return { element: canvas, draw, describe: (words) => canvas.setAttribute("aria-label", words) };
  }

  /** Bars from -most to most, each with its name and its number. */
  function bars(label, names) {
    const rows = names.map((name) => {
      const bar = el("span", { class: "live-bar" });
      const number = el("span", { class: "live-number" }, "–");
      return { row: el("div", { class: "live-row", role: "listitem" }, el("span", { class: "live-name" }, name), el("span", { class: "live-track", "aria-hidden": "true" }, bar), number), bar, number };
    });
    const element = el("div", { class: "live-bars", role: "list", "aria-label": label }, ...rows.map(({ row }) => row));
    function draw(values, marked = -1, most = 10, off = () => false) {
      rows.forEach(({ row, bar, number }, k) => {
        const value = values[k];
        const share = value === null ? 0 : Math.max(-1, Math.min(1, value / most));
        bar.style.cssText = `left:${share < 0 ? 50 + 50 * share : 50}%;width:${50 * Math.abs(share)}%`;
        number.textContent = value === null ? "–" : value.toFixed(1).replace("-", "−");
        row.classList.toggle("live-chosen", k === marked);
        row.classList.toggle("live-off", off(k));
      });
    }
    return { element, draw };
  }

  /** A table of numbers whose cells are set by row and column; the caption names it. */
  function table(caption, columns, rows, heat = false) {
    const cells = rows.map(() => columns.map(() => el("td", {}, "")));
    const body = rows.map((name, r) => el("tr", {}, el("th", { scope: "row" }, name), ...cells[r]));
    const head = el("tr", {}, el("td", {}), ...columns.map((name) => el("th", { scope: "col" }, name)));
    const element = el("table", { class: "live-table" }, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, ...body));
    function set(row, column, value) {
      const cell = cells[row][column];
      cell.textContent = typeof value === "number" ? Math.round(value) : value;
      if (!heat) return;
      cell.classList.toggle("live-heat", typeof value === "number");
      cell.style.setProperty("--live-share", typeof value === "number" ? value / 100 : 0);
    }
    return { element, set, get: (row, column) => cells[row][column].textContent };
  }

  Object.assign(replayLive, { el, svg, button, choice, select, slider, check, guess, status, curves, image, bars, table, still });
})();
