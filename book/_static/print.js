/* On paper a page is light, whatever its theme on the screen. */
(() => {
  const page = document.documentElement.dataset;
  let shown;
  addEventListener("beforeprint", () => ([shown, page.theme] = [page.theme, "light"]));
  addEventListener("afterprint", () => (page.theme = shown));
})();
