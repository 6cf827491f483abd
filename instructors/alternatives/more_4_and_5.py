"""More answers to the assignments, by what they do: (assignment, question, what, the hint or nothing, code)."""

MORE = [
    (
        "4_generative_replay",
        "q1",
        "eval() on the wrong one",
        "the teacher is still in training mode: call eval()",
        """def snapshot(net):
    teacher = copy.deepcopy(net).requires_grad_(False)
    net.eval()
    return teacher
""",
    ),
    (
        "4_generative_replay",
        "q1",
        "through a file in memory",
        "",
        """import io
def snapshot(net):
    file = io.BytesIO(); torch.save(net, file); file.seek(0)
    return torch.load(file, weights_only=False).requires_grad_(False).eval()
""",
    ),
    (
        "4_generative_replay",
        "q2",
        "softmax over the pixels",
        "an intensity is the sigmoid of the pixel's logit: for a logit of 0 it is 0.5",
        """@torch.no_grad()
def imagine(teacher, n, generator):
    return teacher.decoder(torch.randn(n, teacher.noise_dim, generator=generator)).softmax(1)
""",
    ),
    (
        "4_generative_replay",
        "q2",
        "inverse transform of uniform draws",
        "",
        """def imagine(teacher, n, generator):
    u = torch.rand(n, teacher.noise_dim, generator=generator).clamp(1e-6, 1 - 1e-6)
    with torch.inference_mode(): return torch.special.expit(teacher.decoder(torch.special.ndtri(u)))
""",
    ),
    (
        "4_generative_replay",
        "q3",
        "only the last task's classes",
        "only the last task's classes took part: all classes of the first `seen` tasks may be the label",
        """def label(teacher, x, seen, per_task):
    first = (seen - 1) * per_task
    return teacher(x)[:, first:seen * per_task].argmax(1) + first
""",
    ),
    (
        "4_generative_replay",
        "q3",
        "topk of -inf filled",
        "",
        """def label(teacher, x, seen, per_task):
    o = teacher(x).clone(); o[:, seen * per_task:] = -torch.inf
    return o.topk(1).indices.flatten()
""",
    ),
    (
        "4_generative_replay",
        "q4",
        "student's softmax over all units, active not used",
        "the student's softmax runs over the units active now: an inactive one took part",
        """def distillation(logits, teacher_logits, old, active, T):
    q = (teacher_logits.detach() / T).masked_fill(~old, -math.inf).softmax(1)
    return -T * T * (q * (logits / T).log_softmax(1)).sum(1)
""",
    ),
    (
        "4_generative_replay",
        "q4",
        "kl_div and entropy",
        "",
        """def distillation(logits, teacher_logits, old, active, T):
    q = torch.zeros_like(logits); q[:, old] = (teacher_logits.detach()[:, old] / T).softmax(1)
    q = q[:, active]
    return T**2 * (F.kl_div((logits[:, active] / T).log_softmax(1), q, reduction="none").sum(1) + torch.special.entr(q).sum(1))
""",
    ),
    (
        "4_generative_replay",
        "q5",
        "flat images",
        "x should have the shape of images, (n, 1, 8, 8)",
        """class GenerativeReplay:
    def __init__(self, stream, net, generator): self.net, self.g, self.t = net, generator, None
    def sample(self, n):
        if self.t is None: return None
        zero = torch.zeros(n, dtype=torch.long)
        with torch.no_grad():
            x = self.t.generate(zero, zero, torch.randn(n, self.t.noise_dim, generator=self.g)).flatten(1)
            return Batch(x, self.t(x)[:, :self.c].argmax(1), zero)
    def end(self, task): self.t, self.c = copy.deepcopy(self.net), 2 * (task + 1)
""",
    ),
    (
        "4_generative_replay",
        "q5",
        "keeps a pickle, imagines with functional calls",
        "",
        """import pickle
class GenerativeReplay:
    def __init__(self, stream, net, generator): self.__dict__.update(locals()); self.old = []
    @torch.no_grad()
    def sample(self, n):
        if not self.old: return
        data, seen = self.old[-1]
        net = pickle.loads(data)
        zero = torch.zeros(n).long()
        x = net.generate(zero, zero, torch.randn(n, net.noise_dim, generator=self.generator)).unflatten(1, (1, 8, 8)) if net.generate(zero, zero, torch.zeros(n, net.noise_dim)).ndim == 2 else net.generate(zero, zero, torch.randn(n, net.noise_dim, generator=self.generator)).reshape(n, 1, 8, 8)
        return Batch(x, net(x)[:, :seen].max(1).indices, zero)
    def end(self, task): self.old.append((pickle.dumps(self.net), (task + 1) * self.stream.classes.shape[1]))
""",
    ),
    (
        "4_generative_replay",
        "q6",
        "shares divided by classes",
        "shares are shares of the labels: divide by how many labels there are, not by the number of classes",
        """def effective_classes(y, classes):
    p = torch.bincount(y, minlength=classes) / classes
    return torch.special.entr(p).sum().exp()
""",
    ),
    (
        "4_generative_replay",
        "q6",
        "product of powers",
        "",
        """import numpy as np
def effective_classes(y, classes):
    p = np.unique(y.numpy(), return_counts=True)[1] / len(y)
    return np.prod(p ** -p)
""",
    ),
    (
        "5_your_own",
        "feedback_1",
        "ReLU on the logits too",
        "logits may be negative: the ReLU belongs to the hidden activity alone",
        """def recognise(x, hidden, readout, to_mu, to_logvar):
    h = hidden(x).relu()
    return readout(h).relu(), to_mu(h), to_logvar(h)
""",
    ),
    (
        "5_your_own",
        "feedback_1",
        "Sequential and a tuple of parts",
        "",
        """def recognise(x, hidden, readout, to_mu, to_logvar):
    body = nn.Sequential(hidden, nn.ReLU())
    return tuple(nn.Sequential(body, head)(x) for head in (readout, to_mu, to_logvar))
""",
    ),
    (
        "5_your_own",
        "feedback_2",
        "squared error for the pixels",
        "the pixels' error is their cross-entropy, not the squared error: see `reconstruction_loss`",
        """def total_loss(logits, y, output, x, mu, logvar):
    return F.cross_entropy(logits, y, reduction='none') + ((output.sigmoid() - x)**2).mean(1) + kl_to_standard_normal(mu, logvar) / x.shape[1]
""",
    ),
    (
        "5_your_own",
        "feedback_2",
        "nll and distributions",
        "",
        """def total_loss(logits, y, output, x, mu, logvar):
    from torch.distributions import Bernoulli, Categorical
    bce = F.softplus(output) - x * output
    return -Categorical(logits=logits).log_prob(y) + bce.mean(1) + kl_to_standard_normal(mu, logvar) / x.size(1)
""",
    ),
    (
        "5_your_own",
        "feedback_3",
        "one bias for each layer",
        "each unit has a bias: one for a layer is too few",
        """def parameters_saved(inputs, hidden):
    w = (inputs, *hidden)
    return sum(a * b + 1 for a, b in zip(w, hidden))
""",
    ),
    (
        "5_your_own",
        "feedback_3",
        "NumPy",
        "",
        """import numpy as np
def parameters_saved(inputs, hidden):
    return np.dot(np.array([inputs, *hidden][:-1]) + 1, hidden)
""",
    ),
    (
        "5_your_own",
        "conditional_1",
        "noise shifted before it is scaled",
        "the width scales the noise alone, and the mean is added after it",
        """def imagine_code(y, mean, logvar, noise):
    return (logvar[y] / 2).exp() * (noise + mean[y])
""",
    ),
    (
        "5_your_own",
        "conditional_1",
        "index_select and addcmul",
        "",
        """def imagine_code(y, mean, logvar, noise):
    return torch.addcmul(mean.index_select(0, y), logvar.div(2).exp().index_select(0, y), noise)
""",
    ),
    (
        "5_your_own",
        "conditional_2",
        "likeliest mode alone",
        "the likeliest mode alone: the others count too, the sum comes inside the logarithm",
        """def log_prior(z, mean, logvar, pi):
    return (pi.log() + log_normal(z[:, None], mean, logvar)).max(1).values
""",
    ),
    (
        "5_your_own",
        "conditional_3",
        "at a fresh draw",
        "two calls gave two results: the code that was drawn is `z`, and nothing else is drawn",
        """def divergence_at(z, mu, logvar, log_p):
    z = mu + (logvar / 2).exp() * torch.randn_like(mu)
    return log_normal(z, mu, logvar) - log_p
""",
    ),
    (
        "5_your_own",
        "conditional_3",
        "MultivariateNormal",
        "",
        """def divergence_at(z, mu, logvar, log_p):
    return torch.distributions.MultivariateNormal(mu, torch.diag_embed(logvar.exp())).log_prob(z) - log_p
""",
    ),
    (
        "5_your_own",
        "gating_1",
        "rounds to the nearest",
        "int(off * units) rounds down: of 10 units 0.75 are 7 off, and here [8, 8, 8]",
        """def make_gates(classes, units, off, generator):
    return torch.stack([(torch.randperm(units, generator=generator) >= round(off * units + 1e-9)).float() for c in range(classes)])
""",
    ),
    (
        "5_your_own",
        "gating_1",
        "topk of uniform draws",
        "",
        """def make_gates(classes, units, off, generator):
    gates = torch.ones(classes, units)
    return gates.scatter(1, torch.rand(classes, units, generator=generator).topk(int(off * units), 1).indices, 0.)
""",
    ),
    (
        "5_your_own",
        "gating_2",
        "right, but without a gradient",
        "no gradient reaches what the result is computed from: nothing is detached here, nor under no_grad",
        """@torch.no_grad()
def gated_decoder(z, W1, b1, W2, b2, gate):
    return (gate * (z @ W1.T + b1)).relu() @ W2.T + b2
""",
    ),
    (
        "5_your_own",
        "gating_2",
        "gate on the outgoing weights",
        "",
        """def gated_decoder(z, W1, b1, W2, b2, gate):
    return torch.einsum('nh,nh,ph->np', F.relu(F.linear(z, W1, b1)), gate, W2) + b2
""",
    ),
    (
        "5_your_own",
        "gating_3",
        "softmax of pi",
        "`pi` are probabilities already: no softmax",
        """def batch_gates(y, pi, gates):
    return torch.cat([gates[y], pi.softmax(1) @ gates])
""",
    ),
    (
        "5_your_own",
        "gating_3",
        "embedding_bag",
        "",
        """def batch_gates(y, pi, gates):
    rows = torch.arange(len(gates)).repeat(len(pi), 1)
    mixed = F.embedding_bag(rows, gates, per_sample_weights=pi, mode='sum') if len(pi) else gates[:0]
    return torch.vstack([F.embedding(y, gates), mixed])
""",
    ),
    (
        "5_your_own",
        "internal_1",
        "last, smaller chunk dropped",
        "two of three images came back: put all chunks together, the last and smaller one as well",
        """@torch.no_grad()
def features(front, images, chunk):
    front.eval()
    return torch.cat([front(images[k * chunk:(k + 1) * chunk].float() / 255).flatten(1) for k in range(max(len(images) // chunk, 1))])
""",
    ),
    (
        "5_your_own",
        "internal_1",
        "inference mode, filled in; mode put back",
        "",
        """@torch.inference_mode()
def features(front, images, chunk):
    was = front.training
    front.train(mode=False); out = None
    for k in range(0, len(images), chunk):
        h = front(images[k:k + chunk].div(255)).flatten(1)
        if out is None: out = h.new_empty(len(images), h.shape[1])
        out[k:k + chunk] = h
    front.train(was)
    return out
""",
    ),
    (
        "5_your_own",
        "internal_2",
        "one std for all features",
        "each feature has a standard deviation of its own: you took one for all",
        """def standardise(train, test):
    return [(p - train.mean(0)) / train.std(correction=0) for p in (train, test)]
""",
    ),
    (
        "5_your_own",
        "internal_2",
        "sklearn's StandardScaler",
        "",
        """from sklearn.preprocessing import StandardScaler
def standardise(train, test):
    s = StandardScaler().fit(train)
    return s.transform(train), s.transform(test)
""",
    ),
    (
        "5_your_own",
        "internal_3",
        "absolute error",
        "the *squared* error, not the absolute one",
        """def internal_loss(output, h, divergence, pixels):
    return 0.5 * (output - h).abs().mean(1) + divergence / pixels
""",
    ),
    (
        "5_your_own",
        "internal_3",
        "norm",
        "",
        """def internal_loss(output, h, divergence, pixels):
    return (output - h).norm(dim=1) ** 2 / (2 * h.shape[1]) + divergence * pixels ** -1
""",
    ),
]
