/* A stored network of the published scale: it decodes codes to images, or says which digit an image shows. */
function replayStored(numbers) {
  "use strict";

  /** x (n, inputs) through a fully connected layer, (n, outputs). */
  function layer(weights, name, x, n, relu) {
    const weight = weights[`${name}.weight`];
    const bias = weights[`${name}.bias`];
    const inputs = weight.length / bias.length;
    const out = new Float32Array(n * bias.length);
    numbers.multiply(out, x, weight, n, inputs, bias.length, inputs, 1, 1, inputs);
    for (let k = 0; k < out.length; k++) {
      out[k] += bias[k % bias.length];
      if (relu && out[k] < 0) out[k] = 0;
    }
    return out;
  }

  function through(weights, name, x, n) {
    for (let k = 0; `${name}.${k}.weight` in weights; k++) x = layer(weights, `${name}.${k}`, x, n, true);
    return x;
  }

  /** Ink in [0, 1], (n, pixels), of codes z (n, numbers). */
  function decode(weights, z, n) {
    const out = layer(weights, "decoder.output", through(weights, "decoder.hidden", z, n), n, false);
    return out.map((logit) => 1 / (1 + Math.exp(-logit)));
  }

  /** Which of its outputs is highest for each of n images. */
  function judge(weights, x, n) {
    const logits = layer(weights, "readout", through(weights, "hidden", x, n), n, false);
    const outputs = logits.length / n;
    return Array.from({ length: n }, (_, k) => {
      const row = logits.subarray(k * outputs, (k + 1) * outputs);
      return row.indexOf(Math.max(...row));
    });
  }

  return { decode, judge };
}

if (typeof module === "object") module.exports = replayStored;
