/* Widgets typeset their labels through the queue of MathJax 2, which later versions do not have. */
addEventListener(
  "load",
  () => {
    if (!window.MathJax || MathJax.Hub) return;
    MathJax.Hub = { Queue: ([, , element]) => MathJax.typesetPromise?.([element]) };
  },
  { capture: true }, // before the widgets are drawn, which waits for the same event
);
