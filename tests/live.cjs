/* Runs the networks of the book's pages for tests/test_live.py: reads what to do from a file, writes what came out. */
const fs = require("fs");
const folder = `${__dirname}/../book/_static/live`;
const numbers = require(`${folder}/numbers.js`)();
const Net = require(`${folder}/net.js`)(numbers);
const Session = require(`${folder}/answers.js`)(require(`${folder}/session.js`)(Net, numbers), numbers);

const floats = (text) => {
  const bytes = Buffer.from(text, "base64");
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};
const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));

/** What the page's scripts make of a stored decoder and of the judge. */
function stored() {
  globalThis.self = globalThis;
  globalThis.replayLive = {};
  require(`${folder}/plane.js`);
  for (const script of job.scripts) require(script);
  const { decode, judge } = require(`${folder}/stored.js`)(numbers);
  const [weights, seeing] = job.names.map((name) => replayLive.weights(replayData[name]));
  const images = decode(weights, floats(job.codes), job.count);
  console.log(JSON.stringify({ images: Array.from(images), digits: judge(seeing, images, job.count) }));
}
if (job.scripts) return stored();

const x = floats(job.x);
const data = { inputs: job.inputs, x, labels: job.labels, train: job.train, test: job.test };
const session = new Session(job.config, data);
for (const net of [session.net, session.teacher]) {
  for (const name in net.at) net.view(net.P, name).set(floats(job.parameters[name]));
  if (net.open) net.open.set(floats(job.open));
}

function decode() {
  const z = floats(job.decode);
  session.seen = [0];
  console.log(JSON.stringify(Array.from(session.decoded(z, z.length / job.config.latent).x)));
}

function train() {
  const uniform = floats(job.uniform);
  const normal = floats(job.normal);
  const drawn = { uniform: 0, normal: 0 };
  session.random = {
    below: (n) => Math.floor(uniform[drawn.uniform++] * n),
    normal: () => normal[drawn.normal++],
  };
  const losses = [];
  const accuracies = [];
  const gradients = {};
  const started = performance.now();
  for (const task of job.order) {
    session.begin(task);
    for (let step = 0; step < job.steps; step++) losses.push(session.step());
    accuracies.push(session.accuracies());
  }
  const seconds = (performance.now() - started) / 1000;
  for (const name in session.net.at) gradients[name] = Array.from(session.net.view(session.net.G, name));
  console.log(JSON.stringify({ losses, accuracies, gradients, drawn, rate: losses.length / seconds }));
}

if (job.decode) decode();
else train();
