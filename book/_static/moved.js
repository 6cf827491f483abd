/* Pictures that move: a control shows one of many, each a file that is fetched when it is asked for. */
document.querySelectorAll(".moved").forEach((moved) => {
  const states = JSON.parse(moved.querySelector("script").textContent);
  const image = moved.querySelector("img"), source = moved.querySelector("source");
  const caption = moved.closest("figure")?.querySelector(".caption-text");
  const put = (element, name, [address, width, height]) => Object.assign(element, { [name]: address, width, height });
  // Once someone turns to the control, its pictures are fetched, so that none of them comes late.
  const fetchAll = () => {
    const which = source && matchMedia(source.media).matches ? 1 : 0;
    states.forEach(({ files }) => (new Image().src = files[which][0]));
  };
  for (const event of ["pointerenter", "focusin"]) moved.addEventListener(event, fetchAll, { once: true });
  const show = (control) => {
    const { name, alt, caption: words, files: [wide, narrow] } = states[control.value];
    if (source) put(source, "srcset", narrow);
    put(image, "src", wide);
    image.alt = alt;
    if (caption) caption.textContent = words;
    if (control.type !== "range") return;
    control.setAttribute("aria-valuetext", name);
    moved.querySelector("output").textContent = name;
  };
  moved.addEventListener("input", ({ target }) => show(target));
  // A browser that comes back to a page restores where its controls stood.
  const stood = moved.querySelector("input:checked, input[type=range]");
  if (stood && +stood.value) show(stood);
});
