/* What the theme's page frame leaves out for readers who use a screen reader or the keyboard alone. */
(() => {
  const repair = () => {
    // A button's visible text must be in its name: without aria-label, the text ("Search Ctrl+K") is the name.
    document.querySelectorAll("button.search-button-field[aria-label]").forEach((button) => button.removeAttribute("aria-label"));
    // What opens the pages below a page in the sidebar shows an arrow, and no word.
    document.querySelectorAll("li.has-children > details > summary:not([aria-label])").forEach((arrow) => {
      arrow.setAttribute("aria-label", `Pages below ${arrow.closest("li").querySelector("a")?.textContent.trim()}`);
    });
    // Icons are drawn late, each with a title that a button with a name of its own does not need.
    document.querySelectorAll("button[aria-label] svg").forEach((icon) => {
      icon.setAttribute("aria-hidden", "true");
      icon.querySelector("title")?.remove();
    });
  };
  const widgets = () => {
    // A slider's handle has neither a name nor, in its values, the words that are shown beside it.
    document.querySelectorAll(".noUi-handle").forEach((handle) => {
      const slider = handle.closest(".jupyter-widgets-disconnected, .jupyter-widgets");
      const shown = slider?.querySelector(".widget-readout");
      if (!shown) return;
      const say = (name, text) => handle.getAttribute(name) === text || handle.setAttribute(name, text);
      say("aria-label", slider.querySelector(".widget-label")?.textContent.trim() || "slider");
      say("aria-valuetext", shown.textContent.trim());
      shown.removeAttribute("contenteditable"); // typing there changes nothing
      shown.setAttribute("aria-hidden", "true"); // the handle says it
    });
    // Radio buttons are a group with a name, which the arrow keys go through.
    document.querySelectorAll(".widget-radio:not([role])").forEach((group, number) => {
      group.setAttribute("role", "radiogroup");
      group.setAttribute("aria-label", group.querySelector(".widget-label")?.textContent.trim() || "choice");
      group.querySelectorAll("input").forEach((input) => (input.name = `choice-${number}`));
    });
    // What changes when they are moved is read out.
    document.querySelectorAll(".widget-vbox > .widget-box:not([aria-live])").forEach((stack) => stack.setAttribute("aria-live", "polite"));
  };
  // What scrolls sideways can be scrolled with the keyboard.
  const scrollers = () =>
    document.querySelectorAll(".bd-article .cell_output, .bd-article .widget-vbox > .widget-box").forEach((box) => {
      if (box.scrollWidth > box.clientWidth && box.querySelector("img")) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    });
  addEventListener("load", scrollers);
  addEventListener("resize", scrollers);
  const sidebar = document.getElementById("pst-primary-sidebar");
  if (sidebar && !sidebar.hasAttribute("role")) {
    sidebar.setAttribute("role", "region");
    sidebar.setAttribute("aria-label", "Book");
  }
  const all = () => (repair(), widgets(), scrollers());
  all();
  new MutationObserver(all).observe(document.body, { childList: true, subtree: true, characterData: true });
})();
