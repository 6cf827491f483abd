"""Answers in other styles, and by other misconceptions: (assignment, question, what, the hint or nothing, code)."""

MORE = [
    (
        "1_forgetting",
        "q2",
        "dict and list comprehension of lists",
        "",
        """def accuracy_matrix(log, tasks):
    d = {(a, b): c for a, b, c in log}
    return [[d.get((i, j), float('nan')) for j in range(tasks)] for i in range(tasks)]
""",
    ),
    (
        "1_forgetting",
        "q3",
        "numpy float",
        "",
        """import numpy as np
def average_incremental_accuracy(matrix):
    m = np.asarray(matrix, dtype=float)
    return np.mean([m[t, :t+1].mean() for t in range(len(m))])
""",
    ),
    (
        "1_forgetting",
        "q3",
        "nanmean over rows",
        "entries above the diagonal took part: those tasks have not been seen yet",
        """def average_incremental_accuracy(matrix):
    return matrix.nanmean(1).mean()
""",
    ),
    (
        "1_forgetting",
        "q5",
        "Fraction",
        "",
        """from fractions import Fraction
def savings(first, again, criterion):
    def n(c):
        for k, a in enumerate(c):
            if a >= criterion: return k + 1
    a, b = n(first), n(again)
    return math.nan if a is None or b is None else Fraction(100 * (a - b), a)
""",
    ),
    (
        "1_forgetting",
        "q5",
        "takes length where never reached",
        "the criterion is never reached the second time: nan",
        """def savings(first, again, criterion):
    def n(c): return next((k for k, a in enumerate(c, 1) if a >= criterion), len(c))
    return 100 * (n(first) - n(again)) / n(first)
""",
    ),
    (
        "1_forgetting",
        "q6",
        "einsum with clamp and eps-free where",
        "",
        """def permitted(new, old):
    d = torch.einsum('i,i->', new, old).clamp(max=0)
    return new - torch.where(old.any(), d / old.square().sum().clamp(min=1e-30), 0.) * old
""",
    ),
    (
        "1_forgetting",
        "q6",
        "projects on the unit vector but forgets length",
        "divide by the *squared* length of the old gradient",
        """def permitted(new, old):
    d = new @ old
    if d >= 0: return new
    return new - d * old / old.norm()
""",
    ),
    (
        "2_replay_buffer",
        "q2",
        "bernoulli and choice",
        "",
        """def reservoir_step(kept, n, capacity, generator):
    if n < capacity: return [*kept, n]
    if torch.bernoulli(torch.tensor(capacity / (n + 1)), generator=generator):
        gone = torch.randperm(capacity, generator=generator)[0]
        return [k for i, k in enumerate(kept) if i != gone] + [n]
    return list(kept)
""",
    ),
    (
        "2_replay_buffer",
        "q2",
        "python random unseeded",
        "the same generator state must give the same choices: draw from `generator`",
        """import random
def reservoir_step(kept, n, capacity, generator):
    if n < capacity: return [*kept, n]
    j = random.randrange(n + 1)
    return [n if i == j else k for i, k in enumerate(kept)]
""",
    ),
    (
        "2_replay_buffer",
        "q3",
        "numpy unique",
        "",
        """import numpy as np
def make_room(labels, y, capacity, generator):
    if len(labels) < capacity: return np.int64(len(labels))
    c, n = np.unique(labels, return_counts=True)
    big = set(c[n == n.max()].tolist())
    if y in big: return -1
    places = np.flatnonzero([l in big for l in labels])
    return places[torch.randint(len(places), (1,), generator=generator).numpy()][0]
""",
    ),
    (
        "2_replay_buffer",
        "q3",
        "replaces own class instead of turning away",
        "the new sample's own class is the largest already: turn it away",
        """def make_room(labels, y, capacity, generator):
    if len(labels) < capacity: return len(labels)
    n = {c: labels.count(c) for c in labels}
    m = max(n.values())
    places = [k for k, c in enumerate(labels) if n[c] == m]
    return places[torch.randint(len(places), (), generator=generator).item()]
""",
    ),
    (
        "2_replay_buffer",
        "q4",
        "numpy, squared distances",
        "",
        """import numpy as np
def herding(features, keep):
    f = features.double().numpy(); mean = f.mean(0); s = 0 * mean; out = []
    for k in range(1, keep + 1):
        d = ((mean - (s + f) / k) ** 2).sum(1)
        for p in out: d[p] = np.inf
        out.append(d.argmin()); s = s + f[out[-1]]
    return np.array(out)
""",
    ),
    (
        "2_replay_buffer",
        "q4",
        "farthest first",
        "first the row nearest to the mean, 6.2; then the one that brings the mean of both nearest to it",
        """def herding(features, keep):
    return (features - features.mean(0)).norm(dim=1).argsort(descending=True)[:keep].tolist()
""",
    ),
    (
        "3_vae",
        "q1",
        "Normal.icdf-free: addcmul, non-contiguous",
        "",
        """def draw_code(mu, logvar, noise):
    return torch.addcmul(mu.T, logvar.T.mul(0.5).exp(), noise.T).T
""",
    ),
    (
        "3_vae",
        "q1",
        "through numpy",
        "no gradient flows through z: something was detached, or drawn instead of computed",
        """def draw_code(mu, logvar, noise):
    import numpy as np
    return mu.detach().numpy() + np.exp(logvar.detach().numpy() / 2) * noise.numpy()
""",
    ),
    (
        "3_vae",
        "q6",
        "torch.maximum",
        "",
        """def free_bits(mu, logvar, free):
    m = (mu.pow(2) + logvar.exp() - 1 - logvar).div(2).mean(dim=0)
    return torch.maximum(m, torch.full_like(m, free)).sum(0)
""",
    ),
    (
        "3_vae",
        "q6",
        "subtracts lambda",
        "nothing is subtracted: a unit below lambda counts as lambda, one above as it is",
        """def free_bits(mu, logvar, free):
    return F.relu((0.5 * (mu**2 + logvar.exp() - 1 - logvar)).mean(0) - free).sum()
""",
    ),
    (
        "3_vae",
        "q7",
        "max trick",
        "",
        """def importance_bound(log_w):
    m = log_w.max(0, keepdim=True).values
    return (log_w - m).exp().mean(0).log() + m[0]
""",
    ),
    (
        "4_generative_replay",
        "q1",
        "pickle",
        "",
        """import pickle
def snapshot(net):
    twin = pickle.loads(pickle.dumps(net))
    for p in twin.parameters(): p.requires_grad = False
    twin.train(False)
    return twin
""",
    ),
    (
        "4_generative_replay",
        "q1",
        "shallow copy",
        "the teacher changed when the network did: both are the same tensors. Copy deeply",
        """def snapshot(net):
    return copy.copy(net).requires_grad_(False).eval()
""",
    ),
    (
        "4_generative_replay",
        "q2",
        "one by one",
        "",
        """def imagine(teacher, n, generator):
    with torch.no_grad():
        return torch.cat([torch.sigmoid(teacher.decoder(torch.randn(1, teacher.noise_dim, generator=generator))) for _ in range(n)])
""",
    ),
    (
        "4_generative_replay",
        "q2",
        "logits cut off",
        "an intensity is the sigmoid of the pixel's logit: for a logit of 0 it is 0.5",
        """@torch.no_grad()
def imagine(teacher, n, generator):
    return teacher.decoder(torch.randn(n, teacher.noise_dim, generator=generator)).clamp(0, 1)
""",
    ),
    (
        "5_your_own",
        "conditional_1",
        "one hot einsum",
        "",
        """def imagine_code(y, mean, logvar, noise):
    h = F.one_hot(y, len(mean)).float()
    return torch.einsum('nc,cl->nl', h, mean) + torch.einsum('nc,cl->nl', h, (logvar / 2).exp()) * noise
""",
    ),
    (
        "5_your_own",
        "conditional_1",
        "detached means",
        "no gradient reaches what the result is computed from: nothing is detached here, nor under no_grad",
        """def imagine_code(y, mean, logvar, noise):
    return mean[y].detach() + (logvar[y] / 2).exp() * noise
""",
    ),
    (
        "5_your_own",
        "conditional_2",
        "by loop and logaddexp",
        "",
        """def log_prior(z, mean, logvar, pi):
    total = torch.full((len(z),), -math.inf)
    for c in range(len(mean)):
        q = -0.5 * (math.log(2 * math.pi) + logvar[c] + (z - mean[c])**2 / logvar[c].exp()).sum(1) + pi[:, c].log()
        total = torch.where(pi[:, c] > 0, torch.logaddexp(total, torch.where(pi[:, c] > 0, q, torch.zeros_like(q))), total)
    return total
""",
    ),
    (
        "5_your_own",
        "conditional_2",
        "densities, then log",
        "a code far from its mode gave inf or nan: add up in logarithms, see torch.logsumexp",
        """def log_prior(z, mean, logvar, pi):
    return (pi * log_normal(z[:, None], mean, logvar).exp()).sum(1).log()
""",
    ),
    (
        "5_your_own",
        "conditional_3",
        "explicit",
        "",
        """def divergence_at(z, mu, logvar, log_p):
    return -(0.5 * ((z - mu)**2 * (-logvar).exp() + logvar) + 0.5 * math.log(2 * math.pi)).sum(-1) - log_p
""",
    ),
    (
        "5_your_own",
        "gating_1",
        "multinomial",
        "",
        """def make_gates(classes, units, off, generator):
    k = int(off * units)
    g = torch.ones(classes, units, dtype=torch.float64)
    if k: g.scatter_(1, torch.ones(classes, units).multinomial(k, generator=generator), 0)
    return g
""",
    ),
    (
        "5_your_own",
        "gating_1",
        "bool",
        "the gates should be a float tensor, and are torch.bool",
        """def make_gates(classes, units, off, generator):
    return torch.stack([torch.randperm(units, generator=generator) >= int(off * units) for _ in range(classes)])
""",
    ),
    (
        "5_your_own",
        "gating_2",
        "loop over samples",
        "",
        """def gated_decoder(z, W1, b1, W2, b2, gate):
    return torch.stack([W2 @ F.relu(g * (W1 @ c + b1)) + b2 for c, g in zip(z, gate)])
""",
    ),
    (
        "5_your_own",
        "gating_2",
        "gate after relu of weights only",
        "the bias of a closed unit leaks through: the gate multiplies the bias, too",
        """def gated_decoder(z, W1, b1, W2, b2, gate):
    return (gate * (z @ W1.T) + b1).relu() @ W2.T + b2
""",
    ),
    (
        "5_your_own",
        "internal_1",
        "stack by index",
        "",
        """def features(front, images, chunk):
    was = front.training; front.eval(); out = []
    with torch.no_grad():
        for k in range(0, len(images), chunk):
            out.extend(front(images[k:k + chunk] / 255.).flatten(1).unbind(0))
    front.train(was)
    return torch.stack(out)
""",
    ),
    (
        "5_your_own",
        "internal_1",
        "one chunk",
        "give the backbone `chunk` images at a time: here 3, and then 3 more",
        """@torch.no_grad()
def features(front, images, chunk):
    front.eval()
    return front(images / 255).flatten(1)
""",
    ),
    (
        "5_your_own",
        "internal_2",
        "numpy nan_to_num",
        "",
        """def standardise(train, test):
    import numpy as np
    a, b = train.numpy().astype(float), test.numpy().astype(float)
    s = a.std(0); s[np.ptp(a, 0) == 0] = 1
    return (a - a.mean(0)) / s, (b - a.mean(0)) / s
""",
    ),
    (
        "5_your_own",
        "internal_2",
        "epsilon",
        "a constant feature is only shifted: divided by almost nothing, it becomes huge in the test part",
        """def standardise(train, test):
    m, s = train.mean(0), train.std(0, correction=0)
    return (train - m) / (s + 1e-8), (test - m) / (s + 1e-8)
""",
    ),
]
