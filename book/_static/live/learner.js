/* A network that learns beside the page: in a worker made from the runtime's own text or, where there is none, in slices. */

/** Answers messages with reports. Training goes in slices, so that a message is heard while it lasts. */
function replayServe(Session, post) {
  "use strict";
  const SLICE = 25; // ms
  let session = null;
  let watched = null;
  let dreaming = false;
  let job = null;
  let steps = 0;

  function report(extra) {
    const said = { steps, task: session.current, seen: [...session.seen], ...extra };
    if (watched) said.watched = watched.map((x) => session.look(x));
    if (dreaming) said.dreams = session.dream();
    post(said);
  }

  function slice() {
    const mine = job;
    const started = performance.now();
    let losses = null;
    do {
      losses = session.step();
      steps += 1;
      mine.left -= 1;
      if (steps % mine.every === 0 || !mine.left) {
        mine.busy += performance.now() - started;
        report({ losses, accuracies: session.accuracies(), rate: (1000 * (mine.steps - mine.left)) / mine.busy, done: !mine.left });
        break;
      }
    } while (!mine.pace && performance.now() - started < SLICE);
    const took = performance.now() - started;
    if (steps % mine.every && mine.left) mine.busy += took;
    if (!mine.left) job = null;
    else setTimeout(() => job === mine && slice(), Math.max(0, mine.pace - took));
  }

  const answers = {
    open: ({ config, data }) => {
      session = new Session(config, data);
      steps = 0;
      job = null;
    },
    train: ({ task, steps: wanted, every = 5, pace = 0 }) => {
      session.begin(task);
      job = { steps: wanted, left: wanted, every, pace, busy: 0 };
      slice();
    },
    change: ({ config }) => session.change(config),
    ask: ({ name, given, number }) => post({ number, answer: session[name](...given) }),
    stop: () => {
      if (!job) return;
      job = null;
      report({ accuracies: session.accuracies(), done: true, stopped: true });
    },
    watch: ({ images, dream = false }) => {
      watched = images;
      dreaming = dream;
      if (session.seen.length) report({ looked: true });
    },
  };
  return (message) => answers[message.do](message);
}

/** Where the page asks: open a learner, tell it what to do, hear its reports. */
(() => {
  "use strict";
  if (typeof replayLive === "undefined") return;
  let digits = null;

  /** The MNIST digits of the page: x (1500, 196) in [0, 1], labels, and the rows of each class to train and test on. */
  replayLive.digits = () =>
    (digits ||= (async () => {
      const { deflated, train, test, levels, side } = self.replayData.digits;
      const bytes = Uint8Array.from(atob(deflated), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      const packed = new Uint8Array(await new Response(stream).arrayBuffer());
      const x = new Float32Array(2 * packed.length);
      packed.forEach((pair, k) => {
        x[2 * k] = (pair >> 4) / levels;
        x[2 * k + 1] = (pair & 15) / levels;
      });
      const per = train + test;
      const rows = (from, to) =>
        Array.from({ length: 10 }, (_, c) => Array.from({ length: to - from }, (_, k) => c * per + from + k));
      const labels = Array.from({ length: 10 * per }, (_, k) => Math.floor(k / per));
      return { inputs: side * side, side, x, labels, train: rows(0, train), test: rows(train, per) };
    })());

  replayLive.pairs = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]];
  /** The pixels of one row of the digits. */
  replayLive.pixels = ({ x, inputs }, row) => x.slice(row * inputs, (row + 1) * inputs);

  const text = `"use strict";const numbers=(${replayNumbers})();
    const answer=(${replayServe})((${replayAnswers})((${replaySession})((${replayNet})(numbers),numbers),numbers),(said)=>postMessage(said));
    onmessage=(event)=>answer(event.data);`;

  function worker(hear) {
    const made = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    made.onmessage = (event) => hear(event.data);
    return { post: (message) => made.postMessage(message), close: () => made.terminate() };
  }

  function here(hear) {
    const numbers = replayNumbers();
    const answer = replayServe(replayAnswers(replaySession(replayNet(numbers), numbers), numbers), (said) => setTimeout(() => hear(said)));
    return { post: (message) => setTimeout(() => answer(message)), close: () => answer({ do: "stop" }) };
  }

  replayLive.learner = async (config, hear) => {
    const data = await replayLive.digits();
    const waiting = new Map();
    let ended = () => {};
    const heard = (said) => {
      if (!said.number) {
        hear(said);
        return said.done && ended(said);
      }
      waiting.get(said.number)(said.answer);
      waiting.delete(said.number);
    };
    let behind;
    try {
      behind = worker(heard);
    } catch {
      behind = here(heard); // no workers: an old browser, or a page that may not have any
    }
    let asked = 0;
    /** What a method of the session gives. */
    const ask = (name, ...given) =>
      new Promise((done) => {
        waiting.set(++asked, done);
        behind.post({ do: "ask", name, given, number: asked });
      });
    /** Train, and give the last report. */
    const run = (wanted) =>
      new Promise((done) => {
        ended = done;
        behind.post({ do: "train", ...wanted });
      });
    const tell = (what) => (rest) => behind.post({ do: what, ...rest });
    const open = (changed) => behind.post({ do: "open", config: changed, data });
    open(config);
    return { open, ask, run, train: tell("train"), change: tell("change"), stop: tell("stop"), watch: tell("watch"), close: behind.close };
  };
})();
