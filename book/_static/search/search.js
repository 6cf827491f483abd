/* Search: by section, chapters before the glossary before the library, with typing errors. The index is fetched, as
   scripts so that it works from a folder on one's own disk too, when someone turns to the search. */
(() => {
  const root = document.documentElement.dataset.content_root || "./";
  const KINDS = { chapter: "", term: "Glossary", page: "", library: "Library" };
  let ready;
  const load = () =>
    (ready ??= ["search/minisearch.js", "search/words.js", "search-index.js"]
      .reduce(
        (before, name) =>
          before.then(
            () =>
              new Promise((loaded, failed) => {
                const script = Object.assign(document.createElement("script"), { src: `${root}_static/${name}`, onload: loaded, onerror: failed });
                document.head.append(script);
              }),
          ),
        Promise.resolve(),
      )
      .then(() => MiniSearch.loadJS(BOOK_INDEX.index, BOOK_SEARCH)));

  const escape = (text) => text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);
  const marked = (text, terms) => {
    const words = terms.map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).sort((a, b) => b.length - a.length);
    return words.length ? escape(text).replace(new RegExp(`(?<![\\p{L}\\p{N}])(${words.join("|")})`, "giu"), "<mark>$1</mark>") : escape(text);
  };
  const excerpt = (text, terms) => {
    const low = text.toLowerCase();
    const places = terms.map((term) => low.indexOf(term)).filter((place) => place >= 0);
    const start = Math.max(0, Math.min(...(places.length ? places : [0])) - 60);
    const from = start ? text.indexOf(" ", start) + 1 : 0;
    return `${from ? "… " : ""}${text.slice(from, from + 180)}${text.length > from + 180 ? " …" : ""}`;
  };

  const show = async (query, list, status, most) => {
    if (!query.trim()) return list.replaceChildren(), void (status.textContent = "");
    let engine;
    try {
      engine = await load();
    } catch {
      return void (status.textContent = "The search could not be loaded.");
    }
    const found = BOOK_SEARCH.find(engine, query);
    status.textContent = found.length ? `${found.length} section${found.length > 1 ? "s" : ""} found` : "Nothing found. Try fewer or other words.";
    list.innerHTML = found
      .slice(0, most)
      .map(({ id, url, title, heading, kind, terms }) => {
        const where = [...new Set([KINDS[kind], title === heading ? "" : title])].filter(Boolean).join(": ");
        const text = marked(excerpt(BOOK_INDEX.texts[id], terms), terms);
        return `<li><a href="${root}${url}"><strong>${marked(heading, terms)}</strong>${where ? ` <span>${escape(where)}</span>` : ""}</a><p>${text}</p></li>`;
      })
      .join("");
  };

  document.querySelectorAll("form.bd-search").forEach((form) => {
    const dialog = form.closest("dialog");
    const input = form.querySelector("input"), list = document.createElement("ol"), status = document.createElement("p");
    list.className = "found";
    status.className = "found-status";
    status.setAttribute("role", "status");
    form.after(status, list);
    let waiting;
    const search = () => show(input.value, list, status, dialog ? 12 : 60);
    input.addEventListener("focus", () => load().catch(() => {}), { once: true });
    input.addEventListener("input", () => (clearTimeout(waiting), (waiting = setTimeout(search, 120))));
    // The arrows go from the field through what was found, and back.
    (dialog || form.parentElement).addEventListener("keydown", (event) => {
      if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
      const stops = [input, ...list.querySelectorAll("a")];
      const next = stops[stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) event.preventDefault(), next.focus();
    });
    list.addEventListener("click", () => dialog?.close());
    if (dialog) return;
    input.value = new URLSearchParams(location.search).get("q") || "";
    search();
  });
})();
