(() => {
  const part = document.getElementById("PREDICT_ID");
  if (!part || part.dataset.started) return;
  part.dataset.started = "yes";
  const told = JSON.parse(part.dataset.told);
  const key = location.pathname + "#" + part.id;
  const make = (name, attributes = {}, text = "") => {
    const svg = ["svg", "rect", "line", "text"].includes(name);
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
    made.textContent = text;
    return made;
  };
  const said = (value) => value.toFixed(told.high - told.low > 20 ? 0 : 1) + (told.unit && "\u00a0" + told.unit);
  const recall = () => { try { return JSON.parse(localStorage.getItem(key)) } catch { return null } };
  const keep = (state) => { try { localStorage.setItem(key, JSON.stringify(state)) } catch { /* a private window */ } };

  const form = make("form");
  const sliders = told.names.map((name, i) => {
    const step = told.high - told.low > 20 ? 1 : (told.high - told.low) / 100;
    const slider = make("input", { type: "range", min: told.low, max: told.high, step, id: `${part.id}-${i}` });
    slider.value = (told.low + told.high) / 2;
    const shown = make("output", { for: slider.id });
    const row = make("div", { class: "row" });
    row.append(make("label", { for: slider.id }, name), slider, shown);
    form.append(row);
    slider.addEventListener("input", () => { shown.textContent = said(+slider.value); draw() });
    return { slider, shown };
  });
  const compare = make("button", { type: "submit" }, "Compare with the run");
  const skip = make("button", { type: "button" }, "Go on without");
  const again = make("button", { type: "button", hidden: "" }, "Predict again");
  const chart = make("svg", { viewBox: "0 0 480 190", role: "img" });
  const words = make("p", { "aria-live": "polite" });
  form.append(compare, skip, again);
  part.append(form, chart, words);

  let answered = false;
  const values = () => sliders.map(({ slider }) => +slider.value);

  function draw() {
    chart.replaceChildren();
    const width = 440 / told.names.length, base = 150;
    const height = (value) => 140 * (value - told.low) / (told.high - told.low);
    chart.append(make("line", { class: "axis", x1: 30, x2: 470, y1: base, y2: base }));
    for (const at of [told.low, told.high])
      chart.append(make("text", { x: 26, y: base - height(at) + 4, "text-anchor": "end" }, String(at)));
    values().forEach((value, i) => {
      const x = 30 + i * width, inner = Math.min(width * 0.7, 70), left = x + (width - inner) / 2;
      if (answered) {
        const y = height(told.truth[i]);
        chart.append(make("rect", { class: "run", x: left, y: base - y, width: inner, height: Math.max(y, 1.5) }));
      }
      const y = height(value);
      chart.append(make("rect", { class: "yours", x: left - 4, y: base - y, width: inner + 8, height: Math.max(y, 1) }));
      const name = told.names[i];
      const most = Math.max(3, Math.floor(width / 6));
      const short = name.length > most ? name.slice(0, most - 1) + "\u2026" : name;
      chart.append(make("text", { x: x + width / 2, y: base + 16, "text-anchor": "middle" }, short));
    });
    chart.append(make("text", { x: 30, y: 186 }, answered ? "outline: you; filled: the run" : "outline: you"));
    chart.setAttribute("aria-label", "Bars of your prediction" + (answered ? " and of the run" : ""));
  }

  function waiting() {
    const cell = part.closest(".cell"), found = [];
    let left = told.hides;
    for (let next = cell?.nextElementSibling; next && left > 0; next = next.nextElementSibling) {
      found.push(next);
      if (next.classList.contains("cell")) left -= 1;
      if (/^H[1-6]$|^SECTION$/.test(next.tagName)) { found.pop(); break }
    }
    return found;
  }

  function show(state) {
    answered = state === "answered";
    const open = answered || state === "skipped";
    for (const { slider } of sliders) slider.disabled = answered;
    compare.hidden = skip.hidden = open;
    again.hidden = !open;
    for (const node of waiting()) node.classList.toggle("predict-waits", !open);
    const mean = values().reduce((sum, value, i) => sum + Math.abs(value - told.truth[i]), 0) / told.truth.length;
    words.textContent = answered
      ? told.names.map((name, i) => `${name}: you ${said(values()[i])}, the run ${said(told.truth[i])}`).join("; ") +
        (told.names.length > 1 ? `. On average you are ${told.unit === "%" ? said(mean).replace("%", "points") : said(mean)} away.` : ".")
      : open ? "" : waiting().length ? "What the run gave is shown once you have answered." : "";
    draw();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keep({ values: values(), state: "answered" });
    show("answered");
  });
  skip.addEventListener("click", () => { keep({ values: values(), state: "skipped" }); show("skipped") });
  again.addEventListener("click", () => { keep(null); show("asked"); sliders[0].slider.focus() });
  chart.addEventListener("pointerdown", (event) => {
    if (answered) return;
    const box = chart.getBoundingClientRect(), scale = 480 / box.width;
    const i = Math.floor(((event.clientX - box.left) * scale - 30) / (440 / told.names.length));
    if (!sliders[i]) return;
    const y = (150 - (event.clientY - box.top) * scale) / 140;
    sliders[i].slider.value = told.low + Math.min(1, Math.max(0, y)) * (told.high - told.low);
    sliders[i].slider.dispatchEvent(new Event("input"));
  });

  const before = recall();
  if (Array.isArray(before?.values) && before.values.length === sliders.length)
    before.values.forEach((value, i) => { sliders[i].slider.value = value });
  for (const { slider, shown } of sliders) shown.textContent = said(+slider.value);
  const state = before?.state;
  const start = () => show(state === "answered" || state === "skipped" ? state : "asked");
  // What follows on a page of the book is not there yet while the page is read.
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
