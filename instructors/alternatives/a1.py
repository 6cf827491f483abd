"""Assignment 1: forgetting and the accuracy matrix."""

RIGHT = {
    "q1": [
        """
def task_accuracy(logits, y, active):
    right = 0
    for o, unit, on in zip(logits.tolist(), y.tolist(), active.tolist()):
        if not on[unit]:
            return float("nan")
        best = max((value, k) for k, value in enumerate(o) if on[k])[1]
        right += best == unit
    return right / len(y) * 100
""",
        """
def task_accuracy(logits, y, active):
    rows = torch.arange(len(y))
    if (~active[rows, y]).any():
        return torch.tensor(float("nan"))
    scores = torch.where(active, logits, torch.full_like(logits, -1e30))
    return (scores.max(dim=1).indices == y).sum() * 100.0 / len(y)
""",
    ],
    "q2": [
        """
import numpy as np
def accuracy_matrix(log, tasks):
    matrix = np.full((tasks, tasks), np.nan)
    for entry in log:
        matrix[entry[0]][entry[1]] = entry[2]
    return torch.from_numpy(matrix)
""",
        """
def accuracy_matrix(log, tasks):
    last = {(after, on): accuracy for after, on, accuracy in log}
    return torch.tensor([[last.get((i, j), math.nan) for j in range(tasks)] for i in range(tasks)])
""",
    ],
    "q3": [
        """
def average_incremental_accuracy(matrix):
    total = 0.0
    for t in range(len(matrix)):
        total += sum(matrix[t][j].item() for j in range(t + 1)) / (t + 1)
    return total / len(matrix)
""",
        """
def average_incremental_accuracy(matrix):
    tasks = matrix.shape[0]
    seen = torch.ones(tasks, tasks, dtype=torch.bool).tril()
    return (torch.where(seen, matrix, 0.0).sum(1) / torch.arange(1, tasks + 1)).mean()
""",
    ],
    "q4": [
        """
def forgetting_after(matrix, k):
    total = 0.0
    for j in range(k):
        best = max(float(matrix[l, j]) for l in range(j, k))
        total += best - float(matrix[k, j])
    return total / k
""",
        """
def forgetting_after(matrix, k):
    earlier = matrix[:k, :k].clone()
    earlier[torch.ones(k, k).triu(1) > 0] = -1e9
    return (earlier.max(dim=0).values - matrix[k, :k]).mean()
""",
    ],
    "q5": [
        """
def savings(first, again, criterion):
    counts = []
    for course in (first, again):
        n = 0
        while n < len(course) and course[n] < criterion:
            n += 1
        if n == len(course):
            return float("nan")
        counts.append(n + 1)
    return (counts[0] - counts[1]) / counts[0] * 100
""",
        """
def savings(first, again, criterion):
    hits = [(torch.tensor(course, dtype=torch.float) >= criterion).nonzero() for course in (first, again)]
    if min(len(hit) for hit in hits) == 0:
        return math.nan
    n_first, n_again = (hit[0, 0] + 1 for hit in hits)
    return 100.0 * (n_first - n_again) / n_first
""",
    ],
    "q6": [
        """
def permitted(new, old):
    dot = (new * old).sum()
    if dot < 0:
        return new - dot * old / (old ** 2).sum()
    return new.clone()
""",
        """
def permitted(new, old):
    square = old.dot(old)
    if square == 0:
        return new
    return new - torch.clamp(new.dot(old) / square, max=0) * old
""",
    ],
}

WRONG = {
    "q1": {
        "fraction": """
def task_accuracy(logits, y, active):
    if not active.gather(1, y[:, None]).all():
        return math.nan
    return (logits.masked_fill(~active, -math.inf).argmax(1) == y).float().mean()
""",
        "inactive units took part": """
def task_accuracy(logits, y, active):
    if not active.gather(1, y[:, None]).all():
        return math.nan
    return 100 * (logits.argmax(1) == y).float().mean()
""",
        "set to 0 still beats": """
def task_accuracy(logits, y, active):
    if not active.gather(1, y[:, None]).all():
        return math.nan
    return 100 * ((logits * active).argmax(1) == y).float().mean()
""",
        "nan, not 0": """
def task_accuracy(logits, y, active):
    return 100 * (logits.masked_fill(~active, -math.inf).argmax(1) == y).float().mean()
""",
        "a mask of its own": """
def task_accuracy(logits, y, active):
    if not active.gather(1, y[:, None]).all():
        return math.nan
    return 100 * (logits.masked_fill(~active[0], -math.inf).argmax(1) == y).float().mean()
""",
        "is not active is enough": """
def task_accuracy(logits, y, active):
    if not active.gather(1, y[:, None]).any():
        return math.nan
    return 100 * (logits.masked_fill(~active, -math.inf).argmax(1) == y).float().mean()
""",
        "do not leave out": """
def task_accuracy(logits, y, active):
    valid = active.gather(1, y[:, None])[:, 0]
    return 100 * (logits.masked_fill(~active, -math.inf).argmax(1) == y)[valid].float().mean()
""",
        "leaves its arguments": """
def task_accuracy(logits, y, active):
    if not active.gather(1, y[:, None]).all():
        return math.nan
    logits[~active] = -math.inf
    return 100 * (logits.argmax(1) == y).float().mean()
""",
    },
    "q2": {
        "the other way round": """
def accuracy_matrix(log, tasks):
    matrix = torch.full((tasks, tasks), math.nan)
    for after, on, accuracy in log:
        matrix[on, after] = accuracy
    return matrix
""",
        "never measured is nan": """
def accuracy_matrix(log, tasks):
    matrix = torch.zeros(tasks, tasks)
    for after, on, accuracy in log:
        matrix[after, on] = accuracy
    return matrix
""",
        "not in order": """
def accuracy_matrix(log, tasks):
    matrix, k = torch.full((tasks, tasks), math.nan), 0
    for after in range(tasks):
        for on in range(after + 1):
            if k < len(log):
                matrix[after, on] = log[k][2]
                k += 1
    return matrix
""",
        "the later entry counts": """
def accuracy_matrix(log, tasks):
    matrix = torch.full((tasks, tasks), math.nan)
    for after, on, accuracy in reversed(log):
        matrix[after, on] = accuracy
    return matrix
""",
        "is 0, not nan": """
def accuracy_matrix(log, tasks):
    matrix = torch.zeros(tasks, tasks)
    for after, on, accuracy in log:
        matrix[after, on] = accuracy
    return matrix.where(matrix != 0, torch.tensor(math.nan))
""",
        "also if the log does not": """
def accuracy_matrix(log, tasks):
    tasks = 1 + max(after for after, _, _ in log)
    matrix = torch.full((tasks, tasks), math.nan)
    for after, on, accuracy in log:
        matrix[after, on] = accuracy
    return matrix
""",
    },
    "q3": {
        "above the diagonal took part": "def average_incremental_accuracy(matrix):\n    return matrix.nanmean()",
        "one mean over all entries": """
def average_incremental_accuracy(matrix):
    return matrix[torch.ones_like(matrix).tril() > 0].mean()
""",
        "this is the final accuracy": "def average_incremental_accuracy(matrix):\n    return matrix[-1].mean()",
        "off by one": """
def average_incremental_accuracy(matrix):
    return torch.stack([matrix[t, :t].mean() for t in range(1, len(matrix))]).mean()
""",
        "the diagonal's mean": "def average_incremental_accuracy(matrix):\n    return matrix.diagonal().mean()",
        "leaves its arguments": """
def average_incremental_accuracy(matrix):
    matrix[torch.ones_like(matrix).triu(1) > 0] = 0
    return (matrix.sum(1) / torch.arange(1, len(matrix) + 1)).mean()
""",
    },
    "q4": {
        "the sign": """
def forgetting_after(matrix, k):
    return torch.stack([matrix[k, j] - matrix[j:k, j].max() for j in range(k)]).mean()
""",
        "need not be the diagonal": """
def forgetting_after(matrix, k):
    return (matrix.diagonal()[:k] - matrix[k, :k]).mean()
""",
        "before a task was trained": """
def forgetting_after(matrix, k):
    return (matrix[:k, :k].max(0).values - matrix[k, :k]).mean()
""",
        "off by one": """
def forgetting_after(matrix, k):
    return torch.stack([matrix[j:k, j].max() - matrix[k, j] for j in range(k)]).sum() / (k + 1)
""",
        "at the end of training": """
def forgetting_after(matrix, k):
    return torch.stack([matrix[j:k, j].max() - matrix[-1, j] for j in range(k)]).mean()
""",
        "row k takes no part in the best": """
def forgetting_after(matrix, k):
    return torch.stack([matrix[j:k + 1, j].max() - matrix[k, j] for j in range(k)]).mean()
""",
        "0 is not right here": """
def forgetting_after(matrix, k):
    return torch.stack([matrix[j:, j].max() - matrix[k, j] for j in range(k)]).mean()
""",
        "the result is not cut off": """
def forgetting_after(matrix, k):
    return torch.stack([matrix[j:k, j].max() - matrix[k, j] for j in range(k)]).mean().clamp(min=0)
""",
    },
    "q5": {
        "off by one": """
def savings(first, again, criterion):
    n = [next((k for k, a in enumerate(course) if a >= criterion), math.nan) for course in (first, again)]
    return 100 * (n[0] - n[1]) / n[0]
""",
        "equal to it is enough": """
def savings(first, again, criterion):
    n = [next((k + 1 for k, a in enumerate(course) if a > criterion), math.nan) for course in (first, again)]
    return 100 * (n[0] - n[1]) / n[0]
""",
        "savings are the rest": """
def savings(first, again, criterion):
    n = [next((k + 1 for k, a in enumerate(course) if a >= criterion), math.nan) for course in (first, again)]
    return 100 * n[1] / n[0]
""",
        "also if accuracy dips": """
def savings(first, again, criterion):
    n = []
    for course in (first, again):
        below = [k + 1 for k, a in enumerate(course) if a < criterion]
        n.append((below[-1] if below else 0) + 1)
        if n[-1] > len(course):
            return math.nan
    return 100 * (n[0] - n[1]) / n[0]
""",
        "nan, not 0": """
def savings(first, again, criterion):
    n = [next((k + 1 for k, a in enumerate(course) if a >= criterion), 0) for course in (first, again)]
    return 100 * (n[0] - n[1]) / n[0] if all(n) else 0.0
""",
        "never met exactly": """
def savings(first, again, criterion):
    n = [course.index(criterion) + 1 if criterion in course else math.nan for course in (first, again)]
    return 100 * (n[0] - n[1]) / n[0]
""",
        "not all steps below it": """
def savings(first, again, criterion):
    if max(first) < criterion or max(again) < criterion:
        return math.nan
    n = [1 + sum(a < criterion for a in course) for course in (first, again)]
    return 100 * (n[0] - n[1]) / n[0]
""",
    },
    "q6": {
        "still points against": "def permitted(new, old):\n    return new",
        "*squared* length": """
def permitted(new, old):
    dot = new @ old
    return new if dot >= 0 else new - dot / old.norm() * old
""",
        "not by the new one's": """
def permitted(new, old):
    dot = new @ old
    return new if dot >= 0 else new - dot / (new @ new) * old
""",
        "you changed the old gradient": """
def permitted(new, old):
    dot = new @ old
    return new if dot >= 0 else old - dot / (new @ new) * new
""",
        "leaves its arguments": """
def permitted(new, old):
    dot = new @ old
    if dot < 0:
        new -= dot / (old @ old) * old
    return new
""",
        "leave it alone": "def permitted(new, old):\n    return new - (new @ old) / (old @ old).clamp(min=1e-9) * old",
    },
}
