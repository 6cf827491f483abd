/* What the theme's page frame leaves out for readers who use a screen reader or the keyboard alone. */
(() => {
  const repair = () => {
    // A button's visible text must be in its name: without aria-label, the text ("Search Ctrl+K") is the name.
    document.querySelectorAll("button.search-button-field[aria-label]").forEach((button) => button.removeAttribute("aria-label"));
    // What opens the pages below a page in the sidebar shows an arrow, and no word.
    document.querySelectorAll("li.has-children > details > summary:not([aria-label])").forEach((arrow) => {
      arrow.setAttribute("aria-label", `Pages below ${arrow.closest("li").querySelector("a")?.textContent.trim()}`);
    });
  };
  // What scrolls sideways shows an edge there, and can be scrolled with the keyboard. All are measured before any is
  // changed: a change between two measures has the browser lay out the page once more for each.
  const WIDE = ".katex-display, .pst-scrollable-table-container, .bd-article .cell_output .output, .stays-wide";
  const scrollers = () => {
    const boxes = [...document.querySelectorAll(WIDE)];
    boxes.forEach((box) => box.removeAttribute("data-scrolls")); // whose style changes what is measured
    const scroll = boxes.map((box) => box.scrollWidth > box.clientWidth + 1);
    boxes.forEach((box, number) => {
      box.toggleAttribute("data-scrolls", scroll[number]);
      if (scroll[number]) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    });
  };
  addEventListener("load", scrollers);
  addEventListener("resize", scrollers);
  const sidebar = document.getElementById("pst-primary-sidebar");
  if (sidebar && !sidebar.hasAttribute("role")) {
    sidebar.setAttribute("role", "region");
    sidebar.setAttribute("aria-label", "Book");
  }
  repair();
  scrollers();
})();
