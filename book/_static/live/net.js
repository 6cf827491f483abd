/* The course's networks, their losses and their optimizer on typed arrays: what learns on the page.

Parameters have the names that they have in replaylib, and every loss is that of replaylib: tests/test_live.py holds the
two together, gradient by gradient. */
function replayNet(numbers) {
  "use strict";

  const { adam, multiply, softmax } = numbers;

  /** A classifier and, where `brain` is given, the generator that imagines for it: replaylib.brain.BrainNet.

  spec: inputs, hidden [units of each layer], outputs, latent, contexts (of gates), gateProp (share of closed gates),
  brain {feedback, conditional, gating} or null. */
  class Net {
    constructor(spec, random) {
      const { inputs, hidden, outputs, latent, brain } = spec;
      const last = hidden[hidden.length - 1];
      const back = [...hidden].reverse();
      this.spec = spec;
      this.at = {};
      this.scratch = {};
      this.steps = 0;
      let size = 0;
      const add = (name, ...shape) => {
        this.at[name] = { start: size, shape };
        size += shape.reduce((a, b) => a * b);
      };
      const dense = (name, i, o) => {
        add(`${name}.weight`, o, i);
        add(`${name}.bias`, o);
      };
      const stack = (name, widths) => widths.slice(1).map((o, l) => (dense(`${name}.${l}`, widths[l], o), `${name}.${l}`));
      this.encoder = stack("classifier.hidden", [inputs, ...hidden]);
      dense("classifier.readout", last, outputs);
      if (brain) {
        this.recogniser = brain.feedback ? this.encoder : stack("recognition.encoder", [inputs, ...hidden]);
        dense("recognition.posterior.mu", last, latent);
        dense("recognition.posterior.logvar", last, latent);
        if (brain.conditional) {
          add("prior.mean", outputs, latent);
          add("prior.logvar", outputs, latent);
        }
        this.decoder = stack("decoder.hidden", [latent, ...back]);
        dense("decoder.output", back[back.length - 1], inputs);
      }
      for (const store of ["P", "G", "M", "V"]) this[store] = new Float32Array(size);
      for (const name in this.at) {
        const { start, shape } = this.at[name];
        const p = this.view(this.P, name);
        const prior = name.startsWith("prior");
        const bound = 1 / Math.sqrt(name.endsWith("weight") ? shape[1] : this.at[name.replace("bias", "weight")].shape[1]);
        for (let k = 0; k < p.length; k++) p[k] = prior ? random.normal() : bound * (2 * random.uniform() - 1);
      }
      if (brain && brain.gating) {
        this.units = back.reduce((a, b) => a + b);
        this.open = new Float32Array(spec.contexts * this.units);
        for (let c = 0; c < spec.contexts; c++) {
          let start = c * this.units;
          for (const width of back) {
            random.shuffled(width).forEach((rank, unit) => (this.open[start + unit] = +(rank >= Math.floor(spec.gateProp * width))));
            start += width;
          }
        }
      }
    }

    view(store, name) {
      const { start, shape } = this.at[name];
      return store.subarray(start, start + shape.reduce((a, b) => a * b));
    }

    /** Working memory that is kept from step to step. */
    room(name, size) {
      const kept = this.scratch[name];
      return kept && kept.length >= size ? kept : (this.scratch[name] = new Float32Array(size));
    }

    layer(name) {
      const kept = (this.layers ||= {})[name];
      if (kept) return kept;
      const [o, i] = this.at[`${name}.weight`].shape;
      const views = [this.P, this.G].flatMap((store) => [this.view(store, `${name}.weight`), this.view(store, `${name}.bias`)]);
      return (this.layers[name] = { i, o, W: views[0], b: views[1], gW: views[2], gb: views[3] });
    }

    /** A layer's output for n rows; gates (n, units) multiply, from column `first` on, what enters the ReLU. */
    forward(name, x, n, relu, gates, first) {
      const { i, o, W, b } = this.layer(name);
      const out = this.room(`${name} ${n}`, n * o);
      multiply(out, x, W, n, i, o, i, 1, 1, i);
      for (let r = 0; r < n; r++)
        for (let k = 0; k < o; k++) {
          let v = out[r * o + k] + b[k];
          if (gates) v *= gates[r * this.units + first + k];
          out[r * o + k] = relu && v < 0 ? 0 : v;
        }
      return out;
    }

    /** The gradient at a layer's input, from that at its output (n, o); those of its weight and bias go into G. */
    backward(name, x, gradient, n, further) {
      const { i, o, W, gW, gb } = this.layer(name);
      multiply(gW, gradient, x, o, n, i, 1, o, i, 1);
      gb.fill(0);
      for (let r = 0; r < n; r++) for (let k = 0; k < o; k++) gb[k] += gradient[r * o + k];
      if (!further) return null;
      const at = this.room(`to ${name} ${n}`, n * i);
      multiply(at, gradient, W, n, o, i, o, 1, i, 1);
      return at;
    }

    stack(names, x, n, gates) {
      const activity = [x];
      let first = 0;
      for (const name of names) {
        activity.push(this.forward(name, activity[activity.length - 1], n, true, gates, first));
        first += this.layer(name).o;
      }
      return activity;
    }

    backThrough(names, activity, gradient, n, gates, further) {
      let first = names.reduce((sum, name) => sum + this.layer(name).o, 0);
      for (let l = names.length - 1; l >= 0; l--) {
        const { o } = this.layer(names[l]);
        const a = activity[l + 1];
        first -= o;
        for (let r = 0; r < n; r++)
          for (let k = 0; k < o; k++) {
            const at = r * o + k;
            gradient[at] = a[at] > 0 ? gradient[at] * (gates ? gates[r * this.units + first + k] : 1) : 0;
          }
        gradient = this.backward(names[l], activity[l], gradient, n, l > 0 || further);
      }
      return gradient;
    }

    /** Logits (n, outputs) of all units, active or not. */
    logits(x, n) {
      const activity = this.stack(this.encoder, x, n);
      return this.forward("classifier.readout", activity[activity.length - 1], n, false);
    }

    /** The mean and the log-variance of q(z|x), (n, latent) each. */
    recognise(x, n) {
      const activity = this.stack(this.recogniser, x, n);
      const h = activity[activity.length - 1];
      return ["mu", "logvar"].map((name) => this.forward(`recognition.posterior.${name}`, h, n, false));
    }

    gatesOf(context, n) {
      if (!this.open) return null;
      const gates = this.room(`gates ${n}`, n * this.units);
      multiply(gates, context, this.open, n, this.spec.contexts, this.units, this.spec.contexts, 1, this.units, 1);
      return gates;
    }

    /** What n codes z look like, (n, inputs) in [0, 1]; `context` (n, contexts) says which gates are open. */
    decode(z, n, context) {
      const activity = this.stack(this.decoder, z, n, this.gatesOf(context, n));
      const out = this.forward("decoder.output", activity[activity.length - 1], n, false);
      for (let k = 0; k < n * this.spec.inputs; k++) out[k] = 1 / (1 + Math.exp(-out[k]));
      return out;
    }

    /** Samples imagined of classes y, from standard normal noise (n, latent). */
    imagine(y, noise, n, context) {
      const L = this.spec.latent;
      const z = this.room(`z ${n}`, n * L);
      z.set(noise.subarray(0, n * L));
      if (this.spec.brain.conditional) {
        const mean = this.view(this.P, "prior.mean");
        const logvar = this.view(this.P, "prior.logvar");
        for (let k = 0; k < n * L; k++) {
          const at = y[Math.floor(k / L)] * L + (k % L);
          z[k] = mean[at] + Math.exp(logvar[at] / 2) * noise[k];
        }
      }
      return this.decode(z, n, context);
    }

    /** The loss of a batch, and its gradient in G.

    batch: n rows of x, active (n, outputs), target (n, outputs) probabilities, temperature (n), weight (n) of each row in
    the sum and, with a generator, noise (n, latent), pi (n, outputs) what is known of the class, context (n, contexts). */
    learn(batch) {
      const { n, x, active, target, temperature, weight } = batch;
      const C = this.spec.outputs;
      const brain = this.spec.brain;
      const activity = this.stack(this.encoder, x, n);
      const h = activity[activity.length - 1];
      const logits = this.forward("classifier.readout", h, n, false);
      const g = this.room("logits' gradient", n * C);
      const losses = { classification: 0, reconstruction: 0, variational: 0 };
      for (let r = 0; r < n; r++) {
        const T = temperature[r];
        const whole = softmax(logits, active, r * C, C, T, g);
        let mass = 0;
        for (let k = r * C; k < (r + 1) * C; k++)
          if (target[k]) {
            losses.classification -= weight[r] * T * T * target[k] * (logits[k] / T - whole);
            mass += target[k];
          }
        for (let k = r * C; k < (r + 1) * C; k++) g[k] = weight[r] * T * (mass * g[k] - target[k]);
      }
      const toH = this.backward("classifier.readout", h, g, n, true);
      if (brain) this.learnToImagine(batch, activity, toH, losses);
      this.backThrough(this.encoder, activity, toH, n);
      losses.sum = losses.classification + losses.reconstruction + losses.variational;
      return losses;
    }

    learnToImagine(batch, activity, toH, losses) {
      const { n, x, noise, weight, pi, context } = batch;
      const { inputs, latent: L, brain, beta = 1 } = this.spec;
      const mine = brain.feedback ? activity : this.stack(this.recogniser, x, n);
      const h = mine[mine.length - 1];
      const mu = this.forward("recognition.posterior.mu", h, n, false);
      const logvar = this.forward("recognition.posterior.logvar", h, n, false);
      const z = this.room(`z ${n}`, n * L);
      for (let k = 0; k < n * L; k++) z[k] = mu[k] + Math.exp(logvar[k] / 2) * noise[k];
      const gates = this.gatesOf(context, n);
      const made = this.stack(this.decoder, z, n, gates);
      const out = this.forward("decoder.output", made[made.length - 1], n, false);
      const g = this.room("output's gradient", n * inputs);
      for (let r = 0; r < n; r++)
        for (let k = r * inputs; k < (r + 1) * inputs; k++) {
          const small = Math.exp(-Math.abs(out[k]));
          losses.reconstruction += (weight[r] * (Math.max(out[k], 0) - out[k] * x[k] + Math.log1p(small))) / inputs;
          g[k] = (weight[r] * ((out[k] < 0 ? small : 1) / (1 + small) - x[k])) / inputs;
        }
      const toMade = this.backward("decoder.output", made[made.length - 1], g, n, true);
      const toMu = this.backThrough(this.decoder, made, toMade, n, gates, true);
      const toLogvar = this.room("logvar's gradient", n * L);
      if (brain.conditional) losses.variational = this.modes(z, logvar, noise, pi, weight, n, toMu, toLogvar);
      for (let k = 0; k < n * L; k++) {
        const w = (beta * weight[Math.floor(k / L)]) / inputs;
        const variance = Math.exp(logvar[k]);
        const reach = (toMu[k] * noise[k] * Math.sqrt(variance)) / 2;
        if (brain.conditional) toLogvar[k] = reach - w / 2;
        else {
          losses.variational += (w * (mu[k] ** 2 + variance - 1 - logvar[k])) / 2;
          toLogvar[k] = reach + (w * (variance - 1)) / 2;
          toMu[k] += w * mu[k];
        }
      }
      const both = ["mu", "logvar"].map((name) => `recognition.posterior.${name}`);
      const there = this.backward(both[0], h, toMu, n, true);
      const andThere = this.backward(both[1], h, toLogvar, n, true);
      const sum = brain.feedback ? toH : there;
      for (let k = 0; k < n * this.layer(both[0]).i; k++) sum[k] = (brain.feedback ? toH[k] + there[k] : there[k]) + andThere[k];
      if (!brain.feedback) this.backThrough(this.recogniser, mine, sum, n);
    }

    /** log q(z|x) - log p(z) under a mode for each class, divided by the units of x; its gradients are added up. */
    modes(z, logvar, noise, pi, weight, n, toZ) {
      const { inputs, outputs: C, latent: L, beta = 1 } = this.spec;
      const [mean, spread] = ["mean", "logvar"].map((name) => this.view(this.P, `prior.${name}`));
      const [gMean, gSpread] = ["mean", "logvar"].map((name) => this.view(this.G, `prior.${name}`).fill(0));
      const share = new Float64Array(C);
      let sum = 0;
      for (let r = 0; r < n; r++) {
        const w = (beta * weight[r]) / inputs;
        let most = -Infinity;
        for (let c = 0; c < C; c++) {
          share[c] = -Infinity;
          if (!(pi[r * C + c] > 0)) continue;
          let square = 0;
          for (let l = 0; l < L; l++) {
            const s = spread[c * L + l];
            square += s + (z[r * L + l] - mean[c * L + l]) ** 2 * Math.exp(-s);
          }
          share[c] = Math.log(pi[r * C + c]) - square / 2;
          most = Math.max(most, share[c]);
        }
        let whole = 0;
        for (let c = 0; c < C; c++) whole += share[c] = Math.exp(share[c] - most);
        sum -= w * (most + Math.log(whole));
        for (let l = 0; l < L; l++) sum -= (w * (logvar[r * L + l] + noise[r * L + l] ** 2)) / 2;
        for (let c = 0; c < C; c++) {
          if (!share[c]) continue;
          for (let l = 0; l < L; l++) {
            const away = z[r * L + l] - mean[c * L + l];
            const pull = (w * share[c] * away * Math.exp(-spread[c * L + l])) / whole;
            toZ[r * L + l] += pull;
            gMean[c * L + l] -= pull;
            gSpread[c * L + l] += ((w * share[c]) / whole - pull * away) / 2;
          }
        }
      }
      return sum;
    }

    step(lr) { adam(this.P, this.G, this.M, this.V, ++this.steps, lr); }
  }

  return Net;
}

if (typeof module === "object") module.exports = replayNet;
