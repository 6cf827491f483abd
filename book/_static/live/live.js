/* Starts a live part of the page when it scrolls into view. Scripts are classic ones, so that a page opened as a file
works too; a part that cannot start leaves its still picture where it is. */
(() => {
  "use strict";
  const here = document.currentScript.src.replace(/[^/]*$/, "");
  const asked = {};
  const load = (name) =>
    (asked[name] ||= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = `${here}${name}.js`;
      script.onload = done;
      script.onerror = () => {
        delete asked[name]; // so that it can be asked for again
        script.remove();
        failed(new Error(`${script.src} could not be loaded`));
      };
      document.head.append(script);
    }));

  self.replayLive = { parts: {}, load };

  async function start(figure) {
    const place = document.createElement("div");
    place.className = "live-part";
    try {
      const name = figure.dataset.live;
      await Promise.all([load("kit"), load("digits")]);
      await load(name);
      await replayLive.parts[name](place, figure);
      figure.append(place);
      figure.classList.add("live-on");
      figure.dataset.state = "ready";
    } catch (error) {
      console.error(error);
      figure.dataset.state = "failed";
    }
  }

  function watch() {
    const figures = document.querySelectorAll("figure[data-live]");
    const seen = new IntersectionObserver(
      (entries) =>
        entries
          .filter((entry) => entry.isIntersecting)
          .forEach(({ target }) => {
            seen.unobserve(target);
            start(target);
          }),
      { rootMargin: "400px" },
    );
    figures.forEach((figure) => seen.observe(figure));
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", watch);
  else watch();
})();
