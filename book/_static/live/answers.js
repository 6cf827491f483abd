/* What the pages ask of a session beside training it: springs, codes, weights that come and go. */
function replayAnswers(Session, numbers) {
  "use strict";

  const { generator, softmax } = numbers;

  return class extends Session {
    /** A spring on every weight, as stiff as its Fisher information on the current task: labels by exact expectation. */
    addSprings() {
      const { net, data, outputs: C } = this;
      const rows = this.rows(this.current, "train");
      const [active, p] = [new Float32Array(C), new Float32Array(C)];
      this.activate(active, 0, this.current, this.seen);
      this.springs ||= { stiffness: new Float64Array(net.P.length), pull: new Float64Array(net.P.length) };
      const fisher = new Float64Array(net.P.length);
      for (const row of rows) {
        const x = data.x.subarray(row * data.inputs, (row + 1) * data.inputs);
        softmax(net.logits(x, 1), active, 0, C, 1, p);
        for (let y = 0; y < C; y++) {
          if (!active[y]) continue;
          const target = new Float32Array(C).fill(1, y, y + 1);
          net.learn({ n: 1, x, active, target, temperature: [1], weight: [1] });
          for (let k = 0; k < fisher.length; k++) fisher[k] += (p[y] / rows.length) * net.G[k] ** 2;
        }
      }
      for (let k = 0; k < fisher.length; k++) {
        this.springs.stiffness[k] += fisher[k];
        this.springs.pull[k] += fisher[k] * net.P[k];
      }
    }

    /** What codes z (n, latent) look like, and which of the digits seen the network takes each for. */
    decoded(z, n, unit = null) {
      const context = new Float32Array(n * this.outputs);
      if (unit !== null) for (let k = 0; k < n; k++) context[k * this.outputs + unit] = 1;
      const x = this.net.decode(z, n, context).slice(0, n * this.data.inputs);
      const logits = this.net.logits(x, n);
      const mask = new Uint8Array(this.outputs);
      this.activate(mask, 0, this.current ?? 0, this.seen);
      const labels = Array.from({ length: n }, (_, k) => this.best(logits.subarray(k * this.outputs, (k + 1) * this.outputs), mask));
      return { x, labels };
    }

    /** The mean of q(z|x), (n, latent). */
    encoded(x, n) {
      return this.net.recognise(x, n)[0].slice(0, n * this.config.latent);
    }

    /** Weights made elsewhere, by name; the tasks that they have learned. */
    load(weights, seen) {
      for (const name in this.net.at) this.net.view(this.net.P, name).set(weights[name]);
      if (weights.open) this.net.open.set(weights.open);
      this.seen = [...seen];
      this.current = seen[seen.length - 1];
    }

    /** All that training has made so far, to come back to. */
    kept() {
      const { P, M, V, steps } = this.net;
      return { stores: [P, M, V].map((store) => store.slice()), steps, seen: [...this.seen], current: this.current };
    }

    restore({ stores, steps, seen, current }) {
      ["P", "M", "V"].forEach((store, k) => this.net[store].set(stores[k]));
      this.net.steps = steps;
      Object.assign(this, { seen: [...seen], current, drawnFrom: null });
    }

    /** Weigh the variational loss by beta from now on. */
    weigh(beta) { this.net.spec.beta = beta; }

    /** The numbers of one parameter of the network, by its name. */
    parameter(name) { return Array.from(this.net.view(this.net.P, name)); }

    /** The logits of many images. */
    lookAll(images) {
      return images.map((x) => Array.from(this.net.logits(x, 1).subarray(0, this.outputs)));
    }

    /** Springs on the read-out of digits that have not come yet, as stiff as the mean of those that have. */
    hold() {
      for (const kind of ["weight", "bias"]) {
        const { start, shape } = this.net.at[`classifier.readout.${kind}`];
        const width = shape[1] || 1;
        const past = this.seen.filter((task) => task !== this.current);
        const old = past.flatMap((task) => this.config.tasks[task].map((_, place) => this.unit(task, place)));
        for (let unit = 0; unit < this.outputs; unit++)
          for (let k = 0; k < width && !old.includes(unit); k++) {
            const mean = old.reduce((sum, one) => sum + this.springs.stiffness[start + one * width + k], 0) / old.length;
            this.springs.stiffness[start + unit * width + k] = mean;
            this.springs.pull[start + unit * width + k] = mean * this.net.P[start + unit * width + k];
          }
      }
    }

    /** n samples imagined of a unit: from its mode or from plain noise, with the gates of `gates` or all open (null), and
    with some units silenced besides. */
    imagined({ unit, n, mode, gates, silenced }) {
      const { net } = this;
      const { latent } = this.config;
      const noise = generator(5);
      const [mean, logvar] = ["mean", "logvar"].map((name) => net.view(net.P, `prior.${name}`));
      const z = Float32Array.from({ length: n * latent }, (_, k) => {
        const at = unit * latent + (k % latent);
        return mode ? mean[at] + Math.exp(logvar[at] / 2) * noise.normal() : noise.normal();
      });
      const kept = net.open;
      net.open = kept.slice();
      const row = net.open.subarray(unit * net.units, (unit + 1) * net.units);
      if (gates === null) row.fill(1);
      else row.set(kept.subarray(gates * net.units, (gates + 1) * net.units));
      for (const one of silenced) row[one] = 0;
      const open = Array.from(row);
      const made = this.decoded(z, n, unit);
      net.open = kept;
      return { ...made, open };
    }
  };
}

if (typeof module === "object") module.exports = replayAnswers;
