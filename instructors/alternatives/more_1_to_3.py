"""More answers to the assignments, by what they do: (assignment, question, what, the hint or nothing, code)."""

MORE = [
    (
        "1_forgetting",
        "q1",
        "index among the active units, compared with y",
        "a place among the active units was compared with `y`, which counts among all units",
        """def task_accuracy(logits, y, active):
    if not active.gather(1, y[:, None]).all(): return math.nan
    hits = [row[on].argmax() == t for row, on, t in zip(logits, active, y)]
    return 100 * torch.stack(hits).float().mean()
""",
    ),
    (
        "1_forgetting",
        "q1",
        "takes active units for a prefix when looking for nan",
        "a sample's active units need not be the first ones: whether its right unit is active, `active` says",
        """def task_accuracy(logits, y, active):
    if (y >= active.sum(1)).any(): return math.nan
    return 100 * (logits.masked_fill(~active, -math.inf).argmax(1) == y).float().mean()
""",
    ),
    (
        "1_forgetting",
        "q2",
        "mean of repeated measurements",
        "a pair that was measured twice: the later entry counts; do not average",
        """def accuracy_matrix(log, tasks):
    m = torch.full((tasks, tasks), math.nan)
    for i in range(tasks):
        for j in range(tasks):
            got = [a for x, y, a in log if (x, y) == (i, j)]
            if got: m[i, j] = sum(got) / len(got)
    return m
""",
    ),
    (
        "1_forgetting",
        "q2",
        "pandas pivot, returned as DataFrame",
        "",
        """import pandas as pd
def accuracy_matrix(log, tasks):
    table = pd.DataFrame(log, columns=["after", "on", "acc"]).groupby(["after", "on"]).acc.last().unstack()
    return table.reindex(index=range(tasks), columns=range(tasks))
""",
    ),
    (
        "1_forgetting",
        "q2",
        "pandas pivot, .values",
        "",
        """import pandas as pd
def accuracy_matrix(log, tasks):
    table = pd.DataFrame(log, columns=["after", "on", "acc"]).groupby(["after", "on"]).acc.last().unstack()
    return table.reindex(index=range(tasks), columns=range(tasks)).values
""",
    ),
    (
        "1_forgetting",
        "q3",
        "mean over time for each task, then over tasks",
        "first a mean over the tasks seen, for each row, then a mean over time: not a mean over time for each task",
        """def average_incremental_accuracy(matrix):
    return torch.stack([matrix[j:, j].mean() for j in range(len(matrix))]).mean()
""",
    ),
    (
        "1_forgetting",
        "q3",
        "weights and einsum",
        "",
        """def average_incremental_accuracy(matrix):
    T = len(matrix)
    w = torch.tril(torch.ones(T, T)) / torch.arange(1, T + 1)[:, None] / T
    return torch.einsum("ij,ij->", w, torch.tril(matrix.nan_to_num()))
""",
    ),
    (
        "1_forgetting",
        "q4",
        "k counted from 1",
        "`k` is counted from 0: after task k, k tasks came before it",
        """def forgetting_after(matrix, k):
    k = k - 1
    if k == 0: return 0.0
    return torch.stack([matrix[j:k, j].max() - matrix[k, j] for j in range(k)]).mean()
""",
    ),
    (
        "1_forgetting",
        "q4",
        "cummax of nan-free lower triangle",
        "",
        """def forgetting_after(matrix, k):
    best = torch.where(torch.ones_like(matrix).tril() > 0, matrix, torch.tensor(float('-inf'))).cummax(0).values[k - 1, :k]
    return float((best - matrix[k, :k]).mean())
""",
    ),
    (
        "1_forgetting",
        "q5",
        "relative to the second learning",
        "savings are relative to the steps of the *first* learning",
        """def savings(first, again, criterion):
    def n(c): return next((k for k, a in enumerate(c, 1) if a >= criterion), math.nan)
    return 100 * (n(first) - n(again)) / n(again)
""",
    ),
    (
        "1_forgetting",
        "q5",
        "argmax of a mask (0 if never)",
        "a criterion that was never reached was taken for one reached in step 1",
        """import numpy as np
def savings(first, again, criterion):
    n = [np.argmax(np.array(c) >= criterion) + 1 for c in (first, again)]
    return 100 * (n[0] - n[1]) / n[0]
""",
    ),
    (
        "1_forgetting",
        "q6",
        "dot product without a division",
        "the division by the old gradient's squared length is missing",
        """def permitted(new, old):
    d = new @ old
    return new if d >= 0 else new - d * old
""",
    ),
    (
        "1_forgetting",
        "q6",
        "> 0, so that a zero old gradient gives nan",
        "an old gradient of zero protects nothing, and nothing is divided by it: leave the step alone",
        """def permitted(new, old):
    d = new @ old
    return new if d > 0 else new - d / (old @ old) * old
""",
    ),
    (
        "2_replay_buffer",
        "q1",
        "one label for the whole buffer",
        "*each* sample takes 8 bytes for its label as well",
        """def samples_that_fit(bytes, shape):
    return (bytes - 8) // math.prod(shape)
""",
    ),
    (
        "2_replay_buffer",
        "q1",
        "64-bit label taken for 64 bytes",
        "a label of 64 bits takes 8 bytes, not 64",
        """def samples_that_fit(bytes, shape):
    return bytes // (math.prod(shape) + 64)
""",
    ),
    (
        "2_replay_buffer",
        "q2",
        "a fresh random sample of all numbers (brings back what is gone)",
        "sample 2 had gone, and came back: the new list holds samples of `kept`, and perhaps n",
        """def reservoir_step(kept, n, capacity, generator):
    return torch.randperm(n + 1, generator=generator)[:capacity].tolist()
""",
    ),
    (
        "2_replay_buffer",
        "q2",
        "accepts with 1/(n+1)",
        "a new sample gets in too seldom: then early samples are held more often than late ones (over 300 runs with room for 2 of 6 samples, sample 0 stayed in 60%, sample 5 in 17%; 33 % is right)",
        """def reservoir_step(kept, n, capacity, generator):
    if n < capacity: return kept + [n]
    kept = list(kept)
    if torch.rand((), generator=generator) < 1 / (n + 1):
        kept[torch.randint(capacity, (), generator=generator)] = n
    return kept
""",
    ),
    (
        "2_replay_buffer",
        "q2",
        "Python's random, seeded from the generator; a deque",
        "",
        """import random
from collections import deque
def reservoir_step(kept, n, capacity, generator):
    kept = deque(kept)
    if n < capacity:
        kept.append(n); return kept
    place = random.Random(torch.randint(2**62, (), generator=generator).item()).randrange(n + 1)
    if place < capacity: kept[place] = n
    return kept
""",
    ),
    (
        "2_replay_buffer",
        "q3",
        "counts the new sample too",
        "the new sample is not held yet, and does not count when classes are compared: here class 0 is the largest",
        """def make_room(labels, y, capacity, generator):
    if len(labels) < capacity: return len(labels)
    counts = {c: [*labels, y].count(c) for c in [*labels, y]}
    most = max(counts.values())
    if counts[y] == most: return -1
    places = [k for k, c in enumerate(labels) if counts[c] == most]
    return places[torch.randint(len(places), (), generator=generator)]
""",
    ),
    (
        "2_replay_buffer",
        "q3",
        "multinomial over places",
        "",
        """def make_room(labels, y, capacity, generator):
    if capacity > len(labels): return len(labels)
    held = torch.tensor(labels)
    size = (held[:, None] == held).sum(1)
    if (held == y).sum() == size.max(): return -1
    return torch.multinomial((size == size.max()).float(), 1, generator=generator).item()
""",
    ),
    (
        "2_replay_buffer",
        "q4",
        "L1 distance",
        "the distance is the Euclidean one, the root of a sum of squares, no sum of absolute values",
        """def herding(features, keep):
    mean, total, picked = features.mean(0), 0, []
    for k in range(1, keep + 1):
        d = (mean - (features + total) / k).abs().sum(1)
        d[picked] = math.inf
        picked.append(int(d.argmin())); total = total + features[picked[-1]]
    return picked
""",
    ),
    (
        "2_replay_buffer",
        "q5",
        "every sample alike",
        "every sample has the same weight: the current task's samples share 1 / seen, the replayed ones the rest",
        """def replay_weights(new, old, seen):
    return torch.full((new + old,), 1 / (new + old))
""",
    ),
    (
        "2_replay_buffer",
        "q5",
        "the gradient of the loss",
        "",
        """def replay_weights(new, old, seen):
    losses = torch.zeros(new + old, requires_grad=True)
    loss = losses[:new].mean() / seen
    if old: loss = loss + losses[new:].mean() * (1 - 1 / seen)
    return torch.autograd.grad(loss, losses)[0]
""",
    ),
    (
        "2_replay_buffer",
        "q6",
        "expected number drawn exactly once",
        "this counts the samples that are drawn exactly once: asked for are those drawn at least once",
        """def expected_distinct(stored, draws):
    return draws * (1 - 1 / stored) ** (draws - 1) if stored > 1 else float(draws == 1)
""",
    ),
    (
        "2_replay_buffer",
        "q6",
        "exact fractions",
        "",
        """from fractions import Fraction
def expected_distinct(stored, draws):
    return stored - stored * (1 - Fraction(1, stored)) ** draws if draws < 500 else float(stored - stored * (1 - 1 / stored) ** draws)
""",
    ),
    (
        "2_replay_buffer",
        "q6",
        "expm1 and log1p in NumPy",
        "",
        """import numpy as np
def expected_distinct(stored, draws):
    with np.errstate(divide="ignore", invalid="ignore"):
        return -stored * np.expm1(draws * np.log1p(-1 / stored)) if draws else 0.0
""",
    ),
    (
        "3_vae",
        "q1",
        "in place on logvar",
        "your function changed what it was given: it leaves its arguments as they were",
        """def draw_code(mu, logvar, noise):
    return mu + logvar.mul_(0.5).exp_() * noise
""",
    ),
    (
        "3_vae",
        "q1",
        "lerp",
        "",
        """def draw_code(mu, logvar, noise):
    return torch.lerp(mu, mu + noise, (logvar / 2).exp())
""",
    ),
    (
        "3_vae",
        "q2",
        "-1 forgotten",
        "the -1 of each unit is missing: the divergence of N(0, 1) from itself is 0",
        """def kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar).sum(1)
""",
    ),
    (
        "3_vae",
        "q2",
        "right, but no gradient",
        "no gradient reaches what the result is computed from: nothing is detached here, nor under no_grad",
        """@torch.no_grad()
def kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
""",
    ),
    (
        "3_vae",
        "q3",
        "softmax over pixels",
        "a softmax makes the pixels share one probability: each pixel has a sigmoid of its own",
        """def reconstruction(logits, x):
    return F.cross_entropy(logits, x, reduction='none')
""",
    ),
    (
        "3_vae",
        "q3",
        "black-or-white target",
        "an intensity between 0 and 1 is a target as it is: you made it black or white",
        """def reconstruction(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x.round(), reduction='none').mean(1)
""",
    ),
    (
        "3_vae",
        "q3",
        "logsigmoid",
        "",
        """def reconstruction(logits, x):
    return -(x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).mean(-1)
""",
    ),
    (
        "3_vae",
        "q4",
        "all divided by pixels",
        "the reconstruction is a mean over pixels already: only the divergence is divided",
        """def negative_elbo(x, logits, mu, logvar):
    return (reconstruction_loss(logits, x, "bernoulli") + kl_to_standard_normal(mu, logvar)) / x.shape[1]
""",
    ),
    (
        "3_vae",
        "q4",
        "sums first, all divided",
        "",
        """def negative_elbo(x, logits, mu, logvar):
    nats = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1) - 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
    return nats / x[0].numel()
""",
    ),
    (
        "3_vae",
        "q5",
        "range instead of variance",
        "the variance is compared with the threshold, not the range from the smallest to the largest",
        """def active_units(mu, threshold=0.01):
    return int((mu.max(0).values - mu.min(0).values > threshold).sum())
""",
    ),
    (
        "3_vae",
        "q5",
        "covariance matrix",
        "",
        """import numpy as np
def active_units(mu, threshold=0.01):
    return np.count_nonzero(np.cov(mu.numpy(), rowvar=False).diagonal() > threshold)
""",
    ),
    (
        "3_vae",
        "q6",
        "quiet units dropped",
        "a unit below lambda counts as lambda: it is not left out",
        """def free_bits(mu, logvar, free):
    m = (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).mean(0)
    return m[m > free].sum()
""",
    ),
    (
        "3_vae",
        "q6",
        "relu above lambda",
        "",
        """def free_bits(mu, logvar, free):
    m = (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).mean(0)
    return F.relu(m - free).sum() + free * mu.shape[1]
""",
    ),
    (
        "3_vae",
        "q7",
        "log n instead of log k",
        "1/k: k is the number of codes, which are rows; you divided by the number of images",
        """def importance_bound(log_w):
    return log_w.logsumexp(0) - math.log(log_w.shape[1])
""",
    ),
    (
        "3_vae",
        "q7",
        "logaddexp one by one",
        "",
        """def importance_bound(log_w):
    total = log_w[0]
    for row in log_w[1:]: total = torch.logaddexp(total, row)
    return total - torch.tensor(float(log_w.size(0))).log()
""",
    ),
]
