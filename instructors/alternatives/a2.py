"""Assignment 2: a replay buffer with a budget."""

RIGHT = {
    "q1": [
        """
def samples_that_fit(bytes, shape):
    one = 8
    pixels = 1
    for size in shape:
        pixels *= size
    return int((bytes - bytes % (pixels + one)) / (pixels + one))
""",
        """
import numpy as np
def samples_that_fit(bytes, shape):
    return np.floor(bytes / (np.zeros(shape, np.uint8).nbytes + np.int64().nbytes))
""",
    ],
    "q2": [
        """
def reservoir_step(kept, n, capacity, generator):
    kept = list(kept)
    if n < capacity:
        kept.append(n)
    elif torch.rand((), generator=generator) < capacity / (n + 1):
        kept[torch.randint(capacity, (1,), generator=generator).item()] = n
    return kept
""",
        """
def reservoir_step(kept, n, capacity, generator):
    together = [n] + kept
    if len(together) <= capacity:
        return together
    leaves = torch.randint(n + 1, (), generator=generator).item()
    return kept if leaves >= capacity else [n] + kept[:leaves] + kept[leaves + 1:]
""",
    ],
    "q3": [
        """
def make_room(labels, y, capacity, generator):
    if capacity > len(labels):
        return len(labels)
    held = torch.tensor(labels)
    counts = held.bincount(minlength=y + 1)
    if counts[y] == counts.max():
        return -1
    places = (counts[held] == counts.max()).nonzero()[:, 0]
    return places[torch.randperm(len(places), generator=generator)[0]]
""",
        """
from collections import Counter
def make_room(labels, y, capacity, generator):
    if len(labels) < capacity:
        return len(labels)
    most = Counter(labels).most_common(1)[0][1]
    largest = [c for c, many in Counter(labels).items() if many == most]
    if y in largest:
        return -1
    loser = largest[torch.randint(len(largest), (), generator=generator)]
    places = [k for k, c in enumerate(labels) if c == loser]
    return places[int(torch.rand((), generator=generator) * len(places))]
""",
    ],
    "q4": [
        """
def herding(features, keep):
    mean, picked = features.mean(0), []
    while len(picked) < keep:
        best = None
        for i in range(len(features)):
            if i in picked:
                continue
            gap = (features[picked + [i]].mean(0) - mean).pow(2).sum().item()
            if best is None or gap < best[0]:
                best = (gap, i)
        picked.append(best[1])
    return picked
""",
        """
def herding(features, keep):
    x = features - features.mean(0)
    total, left, order = torch.zeros(x.shape[1]), list(range(len(x))), []
    for _ in range(keep):
        i = left[(x[left] + total).square().sum(1).argmin()]
        left.remove(i)
        order.append(i)
        total += x[i]
    return torch.tensor(order)
""",
    ],
    "q5": [
        """
def replay_weights(new, old, seen):
    return torch.tensor([1 / seen / new] * new + [(seen - 1) / seen / old for _ in range(old)])
""",
        """
def replay_weights(new, old, seen):
    weights = torch.ones(new + old)
    weights[:new] /= new * seen
    weights[new:] *= (1 - 1 / seen) / (old or 1)
    return weights
""",
    ],
    "q6": [
        """
def expected_distinct(stored, draws):
    found = 0.0
    for _ in range(draws):
        found += 1 - found / stored
    return found
""",
        """
def expected_distinct(stored, draws):
    return torch.tensor(1.0 - 1.0 / stored, dtype=torch.float64).pow(draws).neg().add(1).mul(stored)
""",
    ],
}

WRONG = {
    "q1": {
        "rounded: a sample": "def samples_that_fit(bytes, shape):\n    return round(bytes / (math.prod(shape) + 8))",
        "that does not fit whole": "def samples_that_fit(bytes, shape):\n    return math.ceil(bytes / (math.prod(shape) + 8))",
        "not as 32-bit floats": "def samples_that_fit(bytes, shape):\n    return bytes // (4 * math.prod(shape) + 8)",
        "8 bytes for its label": "def samples_that_fit(bytes, shape):\n    return bytes // math.prod(shape)",
        "each *channel*": "def samples_that_fit(bytes, shape):\n    return bytes // (shape[1] * shape[2] + 8)",
        "not for each channel": "def samples_that_fit(bytes, shape):\n    return bytes // (shape[0] * (shape[1] * shape[2] + 8))",
        "whole number": "def samples_that_fit(bytes, shape):\n    return bytes / (math.prod(shape) + 8)",
    },
    "q2": {
        "nothing gets in any more": """
def reservoir_step(kept, n, capacity, generator):
    return [*kept, n] if n < capacity else kept
""",
        "the oldest always goes": """
def reservoir_step(kept, n, capacity, generator):
    return [*kept, n][-capacity:]
""",
        "a new sample always gets in": """
def reservoir_step(kept, n, capacity, generator):
    if n < capacity:
        return [*kept, n]
    kept = list(kept)
    kept[torch.randint(capacity, (), generator=generator)] = n
    return kept
""",
        "left to chance": """
def reservoir_step(kept, n, capacity, generator):
    if n < capacity:
        return [*kept, n]
    return [kept[0], n] if capacity == 2 and torch.rand((), generator=generator) < 2 / (n + 1) else kept
""",
        "off by one": """
def reservoir_step(kept, n, capacity, generator):
    if n < capacity:
        return [*kept, n]
    place = torch.randint(n, (), generator=generator).item()
    return [n if k == place else old for k, old in enumerate(kept)]
""",
        "are held, not": "def reservoir_step(kept, n, capacity, generator):\n    return [*kept, n]",
        "leaves its arguments": """
def reservoir_step(kept, n, capacity, generator):
    place = torch.randint(n + 1, (), generator=generator).item()
    if n < capacity:
        kept.append(n)
    elif place < capacity:
        kept[place] = n
    return kept
""",
        "draw from `generator`": """
def reservoir_step(kept, n, capacity, generator):
    place = torch.randint(n + 1, ()).item()
    if n < capacity:
        return [*kept, n]
    return [n if k == place else old for k, old in enumerate(kept)]
""",
    },
    "q3": {
        "a whole class was forgotten": """
def make_room(labels, y, capacity, generator):
    if len(labels) < capacity:
        return len(labels)
    return -1 if labels.count(y) == max(map(labels.count, labels)) else 0
""",
        "everyone gets in": """
def make_room(labels, y, capacity, generator):
    counts = {c: labels.count(c) for c in labels}
    most = max(counts.values(), default=1)
    if counts.get(y, 0) == most:
        return -1
    if len(labels) < capacity:
        return len(labels)
    return [k for k, c in enumerate(labels) if counts[c] == most][0]
""",
        "needs room too": """
def make_room(labels, y, capacity, generator):
    return len(labels) if len(labels) < capacity else -1
""",
        "turn it away": """
def make_room(labels, y, capacity, generator):
    if len(labels) < capacity:
        return len(labels)
    counts = [labels.count(c) for c in labels]
    places = [k for k, many in enumerate(counts) if many == max(counts)]
    return places[torch.randint(len(places), (), generator=generator)]
""",
        "the largest class gives up": """
def make_room(labels, y, capacity, generator):
    if len(labels) < capacity:
        return len(labels)
    return -1 if labels.count(y) == max(map(labels.count, labels)) else 1
""",
        "goes is left to chance": """
def make_room(labels, y, capacity, generator):
    if len(labels) < capacity:
        return len(labels)
    counts = {c: labels.count(c) for c in labels}
    if counts.get(y, 0) == max(counts.values()):
        return -1
    return next(k for k, c in enumerate(labels) if counts[c] == max(counts.values()))
""",
        "leaves its arguments as they were": """
def make_room(labels, y, capacity, generator):
    if len(labels) < capacity:
        labels.append(y)
        return len(labels) - 1
    counts = {c: labels.count(c) for c in [*labels, y]}
    if y in labels and counts[y] == max(counts.values()):
        return -1
    places = [k for k, c in enumerate(labels) if counts[c] == max(counts.values())]
    return places[torch.randint(len(places), (), generator=generator)]
""",
        "leaves its arguments": """
def make_room(labels, y, capacity, generator):
    labels.append(y)
    if len(labels) <= capacity:
        return len(labels) - 1
    counts = {c: labels[:-1].count(c) for c in labels}
    if counts[y] == max(counts.values()):
        return -1
    places = [k for k, c in enumerate(labels) if counts[c] == max(counts.values())]
    return places[torch.randint(len(places), (), generator=generator)]
""",
        "draw from `generator`": """
def make_room(labels, y, capacity, generator):
    if len(labels) < capacity:
        return len(labels)
    counts = {c: labels.count(c) for c in [*labels, y]}
    if y in labels and counts[y] == max(counts.values()):
        return -1
    places = [k for k, c in enumerate(labels) if counts[c] == max(counts.values())]
    return places[torch.randint(len(places), ())]
""",
    },
    "q4": {
        "near the mean by itself": """
def herding(features, keep):
    return (features - features.mean(0)).norm(dim=1).argsort()[:keep].tolist()
""",
        "picked twice": """
def herding(features, keep):
    total, picked = torch.zeros_like(features[0]), []
    for k in range(1, keep + 1):
        picked.append((features.mean(0) - (features + total) / k).norm(dim=1).argmin().item())
        total = total + features[picked[-1]]
    return picked
""",
        "divide the sum": """
def herding(features, keep):
    total, picked = torch.zeros_like(features[0]), []
    for _ in range(keep):
        distance = (features.mean(0) - features - total).norm(dim=1)
        distance[picked] = math.inf
        picked.append(distance.argmin().item())
        total = total + features[picked[-1]]
    return picked
""",
        "in which they were picked": """
def herding(features, keep):
    x = features - features.mean(0)
    total, left, order = torch.zeros(x.shape[1]), list(range(len(x))), []
    for _ in range(keep):
        i = left[(x[left] + total).square().sum(1).argmin()]
        left.remove(i)
        order.append(i)
        total += x[i]
    return sorted(order)
""",
        "leaves its arguments": """
def herding(features, keep):
    features -= features.mean(0).clone()
    total, left, order = torch.zeros(features.shape[1]), list(range(len(features))), []
    for _ in range(keep):
        i = left[(features[left] + total).square().sum(1).argmin()]
        left.remove(i)
        order.append(i)
        total += features[i]
    return order
""",
    },
    "q5": {
        "one half each": "def replay_weights(new, old, seen):\n    return torch.tensor([0.5 / new] * new + [0.5 / max(old, 1)] * old)"
        " * (1 if old else 2)",
        "off by one": """
def replay_weights(new, old, seen):
    t = max(seen - 1, 1)
    return torch.tensor([1 / t / new] * new + [(1 - 1 / t) / max(old, 1)] * old)
""",
        "not averaged": "def replay_weights(new, old, seen):\n    return torch.tensor([1 / seen] * new + [1 - 1 / seen] * old)",
        "wrong way round": """
def replay_weights(new, old, seen):
    if not old:
        return torch.full((new,), 1 / new)
    return torch.tensor([(1 - 1 / seen) / new] * new + [1 / seen / old] * old)
""",
        "over both batches' samples": """
def replay_weights(new, old, seen):
    return torch.tensor([1 / seen] * new + [1 - 1 / seen] * old) / (new + old)
""",
    },
    "q6": {
        "without replacement": "def expected_distinct(stored, draws):\n    return min(stored, draws)",
        "*never* drawn": "def expected_distinct(stored, draws):\n    return stored * (1 - 1 / stored) ** draws",
        "expectations add up": "def expected_distinct(stored, draws):\n    return 1 - (1 - 1 / stored) ** draws",
        "approximation": "def expected_distinct(stored, draws):\n    return stored * (1 - math.exp(-draws / stored))",
        "wrong way round": "def expected_distinct(stored, draws):\n    return draws * (1 - (1 - 1 / draws) ** stored) if draws else 0",
    },
}
