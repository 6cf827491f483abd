/* Seeded random numbers, matrix products and the softmax: what the networks on the page are computed with.

One function holds all of it, so that a worker can be made from its text where no file can be fetched (file://). */
function replayNumbers() {
  "use strict";

  /** Seeded random numbers: mulberry32; normal ones by Box and Muller. */
  function generator(seed) {
    let state = seed | 0;
    let spare = null;
    const uniform = () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    const normal = () => {
      if (spare !== null) {
        const kept = spare;
        spare = null;
        return kept;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    };
    const below = (n) => Math.floor(uniform() * n);
    const shuffled = (n) => {
      const order = Array.from({ length: n }, (_, k) => k);
      for (let k = n - 1; k > 0; k--) {
        const other = below(k + 1);
        [order[k], order[other]] = [order[other], order[k]];
      }
      return order;
    };
    return { uniform, normal, below, shuffled };
  }

  /** C (n, m) = A (n, k) B (k, m), blocks of 4 by 4 in registers; the strides say how A and B lie, transposed or not. */
  function multiply(C, A, B, n, k, m, ar, ac, br, bc) {
    const n4 = n & ~3;
    const m4 = m & ~3;
    for (let i = 0; i < n4; i += 4)
      for (let j = 0; j < m4; j += 4) {
        let c00 = 0, c01 = 0, c02 = 0, c03 = 0, c10 = 0, c11 = 0, c12 = 0, c13 = 0;
        let c20 = 0, c21 = 0, c22 = 0, c23 = 0, c30 = 0, c31 = 0, c32 = 0, c33 = 0;
        let a = i * ar;
        let b = j * bc;
        for (let p = 0; p < k; p++, a += ac, b += br) {
          const b0 = B[b], b1 = B[b + bc], b2 = B[b + 2 * bc], b3 = B[b + 3 * bc];
          let v = A[a];
          c00 += v * b0; c01 += v * b1; c02 += v * b2; c03 += v * b3;
          v = A[a + ar];
          c10 += v * b0; c11 += v * b1; c12 += v * b2; c13 += v * b3;
          v = A[a + 2 * ar];
          c20 += v * b0; c21 += v * b1; c22 += v * b2; c23 += v * b3;
          v = A[a + 3 * ar];
          c30 += v * b0; c31 += v * b1; c32 += v * b2; c33 += v * b3;
        }
        let o = i * m + j;
        C[o] = c00; C[o + 1] = c01; C[o + 2] = c02; C[o + 3] = c03;
        o += m;
        C[o] = c10; C[o + 1] = c11; C[o + 2] = c12; C[o + 3] = c13;
        o += m;
        C[o] = c20; C[o + 1] = c21; C[o + 2] = c22; C[o + 3] = c23;
        o += m;
        C[o] = c30; C[o + 1] = c31; C[o + 2] = c32; C[o + 3] = c33;
      }
    for (let i = 0; i < n; i++)
      for (let j = i < n4 ? m4 : 0; j < m; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) sum += A[i * ar + p * ac] * B[p * br + j * bc];
        C[i * m + j] = sum;
      }
  }

  /** Where units are active, (exp of) the log-probabilities of one row at a temperature; 0 where they are not. */
  function softmax(logits, active, at, C, temperature, out) {
    let most = -Infinity;
    let sum = 0;
    for (let c = 0; c < C; c++) if (active[at + c]) most = Math.max(most, logits[at + c] / temperature);
    for (let c = 0; c < C; c++) sum += out[at + c] = active[at + c] ? Math.exp(logits[at + c] / temperature - most) : 0;
    for (let c = 0; c < C; c++) out[at + c] /= sum;
    return most + Math.log(sum); // the logarithm of the sum of exponentials
  }

  /** One step of Adam (betas 0.9 and 0.999), number `step`, on parameters P, down their gradient G; M and V are its state. */
  function adam(P, G, M, V, step, lr) {
    const rate = lr / (1 - 0.9 ** step);
    const correction = Math.sqrt(1 - 0.999 ** step);
    for (let k = 0; k < P.length; k++) {
      const g = G[k];
      const m = (M[k] += 0.1 * (g - M[k]));
      const v = (V[k] += 0.001 * (g * g - V[k]));
      P[k] -= (rate * m) / (Math.sqrt(v) / correction + 1e-8);
    }
  }

  return { adam, generator, multiply, softmax };
}

if (typeof module === "object") module.exports = replayNumbers;
