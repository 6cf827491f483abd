/* One network on its way through a stream of tasks: the loop of replaylib, a step at a time.

What is replayed can change at any step; the tasks come in the order in which they are begun. */
function replaySession(Net, numbers) {
  "use strict";

  const { generator, softmax } = numbers;

  const TEMPERATURE = 2; // of soft targets, as in replaylib.nets

  /** config: tasks [[classes of task 1], ...], scenario "class", "task" or "domain", replay "none", "joint", "exact",
  "current" or "generated", budget (stored samples a class), feedback, conditional, gating, distill (switches), hidden,
  latent, gateProp, lr, batch (0: asleep, nothing but replay), replayed, seed; store: rows to keep, where the reader chooses
  them; springs: the strength of EWC, replaylib.penalties.EWC; beta: weight of the variational loss, 1 if not given.
  data: x (rows, inputs) in [0, 1], labels, and rows of each class to train and to test on. */
  class Session {
    constructor(config, data) {
      this.config = { replayed: config.batch, ...config };
      this.data = data;
      const { tasks, scenario, hidden, latent, gateProp, seed } = config;
      this.per = tasks[0].length;
      this.outputs = scenario === "domain" ? this.per : this.per * tasks.length;
      const { feedback = false, conditional = false, gating = false } = config;
      const spec = {
        inputs: data.inputs, hidden, latent, gateProp, outputs: this.outputs, beta: config.beta,
        contexts: scenario === "domain" ? tasks.length : this.outputs,
        brain: config.replay === "generated" ? { feedback, conditional, gating } : null,
      };
      this.net = new Net(spec, generator(seed));
      this.teacher = new Net(spec, generator(seed));
      this.random = generator(seed + 1);
      this.seen = [];
      this.taught = [];
      this.current = null;
    }

    unit(task, place) { return this.config.scenario === "domain" ? place : task * this.per + place; }

    /** The output unit of a row's class, as a task shows it. */
    unitOf(row, task) {
      return this.unit(task, this.config.tasks[task].indexOf(this.data.labels[row]));
    }

    rows(task, part) {
      return this.config.tasks[task].flatMap((label) => this.data[part][label]);
    }

    /** Begin a task, and so end the one before: from now on that can be replayed. */
    begin(task) {
      if (task === this.current) return;
      if (this.current !== null) {
        if (this.config.springs) this.addSprings();
        this.teacher.P.set(this.net.P);
        if (this.net.open) this.teacher.open.set(this.net.open);
        this.taught = [...this.seen];
      }
      this.current = task;
      if (!this.seen.includes(task)) this.seen.push(task);
      this.drawnFrom = null;
    }

    /** Which output units are chosen among, written into a row of a mask. */
    activate(mask, row, task, seen) {
      for (let unit = 0; unit < this.outputs; unit++) {
        const of = Math.floor(unit / this.per);
        const { scenario } = this.config;
        mask[row * this.outputs + unit] = +(scenario === "domain" || (scenario === "task" ? of === task : seen.includes(of)));
      }
    }

    /** Rows of earlier tasks that are there to be replayed, as [row, task]. */
    stored() {
      const { replay, budget, store, tasks, seed } = this.config;
      const past = this.seen.filter((task) => task !== this.current || !this.config.batch);
      return past.flatMap((task) => {
        const each = tasks[task].map((label) => {
          const rows = this.data.train[label];
          if (replay === "joint") return rows;
          if (store) return store.filter((row) => rows.includes(row));
          return generator(seed + 2 + label).shuffled(rows.length).slice(0, budget).map((k) => rows[k]);
        });
        return each.flat().map((row) => [row, task]);
      });
    }

    change(config) {
      Object.assign(this.config, config);
      this.drawnFrom = null;
    }

    /** One step of training on the current task; gives the losses, and how many samples were replayed. */
    step() {
      const { batch, replay, lr, distill } = this.config;
      const { net, random, data, outputs: C } = this;
      if (!this.drawnFrom) {
        const exact = replay === "joint" || replay === "exact";
        this.drawnFrom = { rows: this.rows(this.current, "train"), stored: exact ? this.stored() : [] };
      }
      const { rows, stored } = this.drawnFrom;
      const picked = Array.from({ length: batch }, () => [rows[random.below(rows.length)], this.current]);
      const taught = this.taught.length && (replay === "generated" || replay === "current");
      const old = stored.length || taught ? this.config.replayed : 0;
      for (let k = 0; k < old && stored.length; k++) picked.push(stored[random.below(stored.length)]);
      const n = batch + old;
      if (!n) return { sum: 0, replayed: 0 };
      const seen = this.seen.length;
      const part = (name, size) => net.room(`batch's ${name}`, size).subarray(0, size);
      const x = part("x", n * data.inputs), active = part("active", n * C), target = part("target", n * C);
      const temperature = part("temperature", n).fill(1), weight = part("weight", n);
      const tasks = picked.map(([, task]) => task);
      target.fill(0);
      picked.forEach(([row, task], k) => {
        x.set(data.x.subarray(row * data.inputs, (row + 1) * data.inputs), k * data.inputs);
        target[k * C + this.unitOf(row, task)] = 1;
      });
      if (taught) {
        x.set(replay === "generated" ? this.imagine(old, tasks) : this.inputsAgain(old, tasks), batch * data.inputs);
        this.label(x.subarray(batch * data.inputs), old, tasks.slice(batch), target.subarray(batch * C), distill || replay === "current");
        if (distill || replay === "current") temperature.fill(TEMPERATURE, batch);
      }
      for (let k = 0; k < n; k++) {
        this.activate(active, k, tasks[k], this.seen);
        weight[k] = !old || !batch ? 1 / n : k < batch ? 1 / seen / batch : (1 - 1 / seen) / old;
      }
      const noise = part("noise", n * this.config.latent);
      if (net.spec.brain) for (let k = 0; k < noise.length; k++) noise[k] = random.normal();
      const context = this.contexts(tasks, target);
      const losses = net.learn({ n, x, active, target, temperature, weight, noise, pi: target, context });
      if (this.springs) {
        const { stiffness, pull } = this.springs;
        for (let k = 0; k < net.P.length; k++) net.G[k] += this.config.springs * (stiffness[k] * net.P[k] - pull[k]);
      }
      net.step(lr);
      return { ...losses, replayed: old };
    }

    /** What opens the gates: the class, or, where every task has all classes, the task. */
    contexts(tasks, pi) {
      if (this.config.scenario !== "domain") return pi;
      const context = new Float32Array(tasks.length * this.config.tasks.length);
      tasks.forEach((task, k) => (context[k * this.config.tasks.length + task] = 1));
      return context;
    }

    /** Samples that the network imagines as it was when the last task ended; the tasks that they stand for are noted. */
    imagine(n, tasks, random = this.random, net = this.teacher, wanted = null) {
      const units = this.taught.flatMap((task) => this.config.tasks[task].map((_, place) => [this.unit(task, place), task]));
      const drawn = wanted || Array.from({ length: n }, () => units[random.below(units.length)]);
      const pi = new Float32Array(n * this.outputs);
      drawn.forEach(([unit], k) => (pi[k * this.outputs + unit] = 1));
      const noise = Float32Array.from({ length: n * this.config.latent }, () => random.normal());
      const of = drawn.map(([, task]) => task);
      tasks.push(...of);
      return net.imagine(drawn.map(([unit]) => unit), noise, n, this.contexts(of, pi)).subarray(0, n * this.data.inputs);
    }

    /** The current task's inputs once more, each standing for an earlier task: learning without forgetting. */
    inputsAgain(n, tasks) {
      const { rows } = this.drawnFrom;
      const x = new Float32Array(n * this.data.inputs);
      for (let k = 0; k < n; k++) {
        const row = rows[this.random.below(rows.length)];
        x.set(this.data.x.subarray(row * this.data.inputs, (row + 1) * this.data.inputs), k * this.data.inputs);
        tasks.push(this.taught[this.random.below(this.taught.length)]);
      }
      return x;
    }

    /** What the network, as it was, says of samples: soft targets at temperature 2, or its first choice. */
    label(x, n, tasks, target, soft) {
      const logits = this.teacher.logits(x, n);
      const mask = new Uint8Array(n * this.outputs);
      for (let k = 0; k < n; k++) {
        this.activate(mask, k, tasks[k], this.taught);
        const at = k * this.outputs;
        softmax(logits, mask, at, this.outputs, TEMPERATURE, target);
        if (soft) continue;
        const row = target.subarray(at, at + this.outputs);
        const best = row.indexOf(Math.max(...row));
        row.fill(0)[best] = 1;
      }
    }

    /** Accuracy on a task's test images in percent; null where its output units are not there yet. */
    accuracy(task) {
      const { data, outputs: C } = this;
      if (!this.seen.length || (this.config.scenario === "class" && !this.seen.includes(task))) return null;
      const rows = this.rows(task, "test");
      const x = this.net.room("test images", rows.length * data.inputs);
      rows.forEach((row, k) => x.set(data.x.subarray(row * data.inputs, (row + 1) * data.inputs), k * data.inputs));
      const logits = this.net.logits(x, rows.length);
      const mask = new Uint8Array(C);
      this.activate(mask, 0, task, this.seen);
      const right = rows.filter((row, k) => this.best(logits.subarray(k * C, k * C + C), mask) === this.unitOf(row, task));
      return (100 * right.length) / rows.length;
    }

    /** The active unit with the highest logit. */
    best(logits, mask) {
      let at = -1;
      for (let c = 0; c < mask.length; c++) if (mask[c] && (at < 0 || logits[c] > logits[at])) at = c;
      return at;
    }

    accuracies() { return this.config.tasks.map((_, task) => this.accuracy(task)); }

    /** The logits of one image, and its probabilities among the active units, those of `task` where it is known. */
    look(x, task = this.current) {
      const logits = Array.from(this.net.logits(x, 1).subarray(0, this.outputs));
      const mask = new Uint8Array(this.outputs);
      this.activate(mask, 0, task, this.seen);
      const p = new Float64Array(this.outputs);
      if (mask.some(Boolean)) softmax(logits, mask, 0, this.outputs, 1, p);
      return { logits, active: Array.from(mask), p: Array.from(p) };
    }

    /** What the network imagines now, for the units seen, always from the same noise: [unit, Float32Array] each. */
    dream() {
      if (!this.net.spec.brain) return [];
      const wanted = this.seen.flatMap((task) => this.config.tasks[task].map((_, place) => [this.unit(task, place), task]));
      const x = this.imagine(wanted.length, [], generator(7), this.net, wanted);
      return wanted.map(([unit], k) => [unit, x.slice(k * this.data.inputs, (k + 1) * this.data.inputs)]);
    }
  }

  return Session;
}

if (typeof module === "object") module.exports = replaySession;
