/* What the theme's page frame leaves out for readers who use a screen reader or the keyboard alone. */
(() => {
  const repair = () => {
    // A button's visible text must be in its name: without aria-label, the text ("Search Ctrl+K") is the name.
    document.querySelectorAll("button.search-button-field[aria-label]").forEach((button) => button.removeAttribute("aria-label"));
    // Icons are drawn late, each with a title that a button with a name of its own does not need.
    document.querySelectorAll("button[aria-label] svg").forEach((icon) => {
      icon.setAttribute("aria-hidden", "true");
      icon.querySelector("title")?.remove();
    });
  };
  const sidebar = document.getElementById("pst-primary-sidebar");
  if (sidebar && !sidebar.hasAttribute("role")) {
    sidebar.setAttribute("role", "region");
    sidebar.setAttribute("aria-label", "Book");
  }
  repair();
  new MutationObserver(repair).observe(document.body, { childList: true, subtree: true });
})();
