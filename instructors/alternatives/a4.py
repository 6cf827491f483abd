"""Assignment 4: generative replay, end to end."""

SOURCE = """
class GenerativeReplay:
    def __init__(self, stream, net, generator):
        self.stream, self.net, self.generator, self.seen = stream, net, generator, 0
        {init}
    def sample(self, n):
        if not self.seen:
            return None
        zeros = torch.zeros(n, dtype=torch.long)
        x = self.{source}.generate(zeros, zeros, torch.randn(n, self.net.noise_dim, generator=self.generator))
        x = x.reshape(-1, 1, 8, 8)
        with torch.no_grad():
            y = {labels}
        return Batch(x, y, zeros)
    def end(self, task):
        {copy}
        self.seen = {seen}
"""
RIGHT_PARTS = {
    "init": "pass",
    "source": "old",
    "labels": "self.old(x)[:, :2 * self.seen].argmax(1)",
    "copy": "self.old = copy.deepcopy(self.net)",
    "seen": "task + 1",
}


def source(**changes: str) -> str:
    """A source of replay with some of its parts changed."""
    return SOURCE.format(**RIGHT_PARTS | changes)


RIGHT = {
    "q1": [
        """
def snapshot(net):
    teacher = copy.deepcopy(net)
    for parameter in teacher.parameters():
        parameter.requires_grad = False
    teacher.train(False)
    return teacher
""",
        """
import pickle
def snapshot(net):
    teacher = pickle.loads(pickle.dumps(net))
    teacher.eval()
    return teacher.requires_grad_(False)
""",
    ],
    "q2": [
        """
@torch.no_grad()
def imagine(teacher, n, generator):
    codes = torch.stack([torch.randn(teacher.noise_dim, generator=generator) for _ in range(n)])
    return 1 / (1 + torch.exp(-teacher.decoder(codes)))
""",
        """
def imagine(teacher, n, generator):
    nobody = torch.zeros(n, dtype=torch.long)
    return teacher.generate(nobody, nobody, torch.randn((n, teacher.noise_dim), generator=generator)).detach()
""",
    ],
    "q3": [
        """
def label(teacher, x, seen, per_task):
    logits = teacher(x).detach()
    known = torch.arange(logits.shape[1]) < seen * per_task
    return logits.masked_fill(~known, -math.inf).argmax(dim=1)
""",
        """
def label(teacher, x, seen, per_task):
    scores = teacher(x).softmax(1).tolist()
    return torch.tensor([max(range(seen * per_task), key=lambda c: row[c]) for row in scores])
""",
    ],
    "q4": [
        """
def distillation(logits, teacher_logits, old, active, T):
    with torch.no_grad():
        q = F.softmax(teacher_logits[:, old] / T, dim=1)
    log_p = logits[:, old] / T - torch.logsumexp(logits[:, active] / T, dim=1, keepdim=True)
    return -(q * log_p).sum(1) * T * T
""",
        """
def distillation(logits, teacher_logits, old, active, T):
    q = torch.zeros_like(teacher_logits)
    q[:, old] = (teacher_logits.detach()[:, old] / T).softmax(1)
    return T ** 2 * F.cross_entropy(logits[:, active] / T, q[:, active], reduction="none")
""",
    ],
    "q5": [
        source(),
        source(init="self.copies = []", copy="self.copies.append(copy.deepcopy(self.net).eval())")
        .replace("self.old", "self.copies[-1]")
        .replace("self.copies[-1] =", "self.old =")
        .replace("self.old.generate", "self.copies[-1].generate"),
    ],
    "q6": [
        """
def effective_classes(y, classes):
    total = 0.0
    for c in range(classes):
        share = float((y == c).float().mean())
        if share > 0:
            total -= share * math.log(share)
    return math.exp(total)
""",
        """
def effective_classes(y, classes):
    _, counts = y.unique(return_counts=True)
    return 2 ** torch.distributions.Categorical(probs=counts / counts.sum()).entropy().div(math.log(2))
""",
    ],
    "q7": [
        """
def replayed(teacher, n, classes, generator):
    with torch.no_grad():
        nobody = torch.zeros(n, dtype=torch.long)
        x = teacher.generate(nobody, nobody, torch.randn(n, teacher.noise_dim, generator=generator)).view(n, 64)
        known = torch.arange(10) < classes
        return x, teacher(x).masked_fill(~known, -math.inf).argmax(1)
""",
        """
def replayed(teacher, n, classes, generator):
    z = torch.randn(n, teacher.noise_dim, generator=generator)
    x = torch.special.expit(teacher.decoder(z)).detach()
    return [x, [max(range(classes), key=lambda c: row[c]) for row in teacher(x).tolist()]]
""",
    ],
}

WRONG = {
    "q1": {
        "Copy deeply": """
def snapshot(net):
    shallow = copy.copy(net)
    twin = new_network(0, net.classifier.hidden.units, net.noise_dim)
    for part in ("classifier", "recognition", "decoder"):
        setattr(twin, part, getattr(shallow, part))
    return twin
""",
        "still ask for gradients": "def snapshot(net):\n    return copy.deepcopy(net).eval()",
        "itself was frozen": "def snapshot(net):\n    net.requires_grad_(False)\n    return copy.deepcopy(net).eval()",
        "training mode": "def snapshot(net):\n    return copy.deepcopy(net).requires_grad_(False)",
        "should answer as the network": """
def snapshot(net):
    return new_network(9, net.classifier.hidden.units, net.noise_dim).requires_grad_(False).eval()
""",
    },
    "q2": {
        "gives logits": """
@torch.no_grad()
def imagine(teacher, n, generator):
    return 9 * teacher.decoder(torch.randn(n, teacher.noise_dim, generator=generator))
""",
        "flow back into the teacher": """
def imagine(teacher, n, generator):
    return teacher.decoder(torch.randn(n, teacher.noise_dim, generator=generator)).sigmoid()
""",
        "not a draw of 0 or 1": """
@torch.no_grad()
def imagine(teacher, n, generator):
    p = teacher.decoder(torch.randn(n, teacher.noise_dim, generator=generator)).sigmoid()
    return torch.bernoulli(p, generator=generator)
""",
        "a code for each": """
@torch.no_grad()
def imagine(teacher, n, generator):
    return teacher.decoder(torch.randn(1, teacher.noise_dim, generator=generator)).sigmoid().expand(n, -1)
""",
        "looks like torch.rand": """
@torch.no_grad()
def imagine(teacher, n, generator):
    return teacher.decoder(torch.rand(n, teacher.noise_dim, generator=generator)).sigmoid()
""",
        "draw from `generator`": """
@torch.no_grad()
def imagine(teacher, n, generator):
    return teacher.decoder(torch.randn(n, teacher.noise_dim)).sigmoid()
""",
        "sigmoid of the pixel's logit": """
@torch.no_grad()
def imagine(teacher, n, generator):
    return teacher.decoder(torch.randn(n, teacher.noise_dim, generator=generator)).clamp(0, 1)
""",
    },
    "q3": {
        "nobody has seen": "def label(teacher, x, seen, per_task):\n    return teacher(x).argmax(1)",
        "the current task's classes": """
def label(teacher, x, seen, per_task):
    return teacher(x)[:, :(seen + 1) * per_task].argmax(1)
""",
        "counts as seen": """
def label(teacher, x, seen, per_task):
    return teacher(x)[:, :max(seen - 1, 1) * per_task].argmax(1)
""",
        "set to 0 still beats": """
def label(teacher, x, seen, per_task):
    logits = teacher(x)
    return (logits * (torch.arange(logits.shape[1]) < seen * per_task)).argmax(1)
""",
        "labels are int64": """
def label(teacher, x, seen, per_task):
    return teacher(x)[:, :seen * per_task].argmax(1).int()
""",
    },
    "q4": {
        "squared temperature is missing": """
def distillation(logits, teacher_logits, old, active, T):
    q = (teacher_logits.detach() / T).masked_fill(~old, -math.inf).softmax(1)
    return -(q * (logits / T).masked_fill(~active, -math.inf).log_softmax(1).masked_fill(~active, 0)).sum(1)
""",
        "classes that it knew": """
def distillation(logits, teacher_logits, old, active, T):
    q = (teacher_logits.detach() / T).masked_fill(~active, -math.inf).softmax(1)
    return -T * T * (q * (logits / T).masked_fill(~active, -math.inf).log_softmax(1).masked_fill(~active, 0)).sum(1)
""",
        "belongs to both": """
def distillation(logits, teacher_logits, old, active, T):
    q = (teacher_logits.detach() / T).masked_fill(~old, -math.inf).softmax(1)
    return -T * T * (q * logits.masked_fill(~active, -math.inf).log_softmax(1).masked_fill(~active, 0)).sum(1)
""",
        "the new ones too": """
def distillation(logits, teacher_logits, old, active, T):
    q = (teacher_logits.detach()[:, old] / T).softmax(1)
    return -T * T * (q * (logits[:, old] / T).log_softmax(1)).sum(1)
""",
        "KL divergence": """
def distillation(logits, teacher_logits, old, active, T):
    q = (teacher_logits.detach()[:, old] / T).softmax(1)
    log_p = logits[:, old] / T - (logits[:, active] / T).logsumexp(1, keepdim=True)
    return T * T * (q * (q.log() - log_p)).sum(1)
""",
        "reaches the teacher": """
def distillation(logits, teacher_logits, old, active, T):
    q = (teacher_logits[:, old] / T).softmax(1)
    log_p = logits[:, old] / T - (logits[:, active] / T).logsumexp(1, keepdim=True)
    return -T * T * (q * log_p).sum(1)
""",
        "inf or nan": """
def distillation(logits, teacher_logits, old, active, T):
    q = (teacher_logits.detach() / T).masked_fill(~old, -math.inf).softmax(1)
    return -T * T * (q * (logits / T).masked_fill(~active, -math.inf).log_softmax(1)).sum(1)
""",
        "do not average": """
def distillation(logits, teacher_logits, old, active, T):
    q = (teacher_logits.detach()[:, old] / T).softmax(1)
    log_p = logits[:, old] / T - (logits[:, active] / T).logsumexp(1, keepdim=True)
    return -T * T * (q * log_p).sum(1).mean(0, keepdim=True)
""",
        "leaves its arguments": """
def distillation(logits, teacher_logits, old, active, T):
    with torch.no_grad():
        q = F.softmax(teacher_logits.div_(T)[:, old], dim=1)
    log_p = logits[:, old] / T - torch.logsumexp(logits[:, active] / T, dim=1, keepdim=True)
    return -(q * log_p).sum(1) * T * T
""",
    },
    "q5": {
        "nothing to replay": source(init="self.seen, self.old = 1, net"),
        "off by one": source(seen="task + 2"),
        "must come from the copy": source(copy="self.old = self.net"),
        "never renewed": source(init="self.old = None", copy="self.old = self.old or copy.deepcopy(self.net)"),
        "takes x for": source(labels="torch.randint(2 * self.seen, (n,), generator=self.generator)"),
        "4 classes take part": source(labels="self.old(x)[:, :2].argmax(1)"),
        "after two tasks all four classes": source(
            labels="self.old(x)[:, :2 * self.seen][:, -2:].argmax(1) + 2 * self.seen - 2"
        ),
        "the label comes from": source(labels="self.net(x)[:, :2 * self.seen].argmax(1)"),
        "`y` should be a tensor": source(labels="self.old(x)[:, :2 * self.seen].argmax(1).int()"),
        "`task` should be a tensor": source().replace("Batch(x, y, zeros)", "Batch(x, y, self.seen - 1)"),
        "itself was frozen": source(copy="self.old = copy.deepcopy(self.net.requires_grad_(False))"),
        "stay in training mode": source(copy="self.old = copy.deepcopy(self.net.eval())"),
        "draw from `generator`": source().replace(", generator=self.generator", ""),
        "not rounded": source().replace("x.reshape(-1, 1, 8, 8)", "x.round().reshape(-1, 1, 8, 8)"),
        "not none": source()
        .replace("if not self.seen:", "if self.old is None:")
        .replace("self.seen = task + 1", "self.seen = task")
        .replace("pass", "self.old = None"),
    },
    "q6": {
        "however rarely": "def effective_classes(y, classes):\n    return len(y.unique())",
        "the entropy itself": """
def effective_classes(y, classes):
    p = torch.bincount(y, minlength=classes) / len(y)
    return torch.special.entr(p).sum()
""",
        "you mixed the two": """
def effective_classes(y, classes):
    p = torch.bincount(y)[torch.bincount(y) > 0] / len(y)
    return (-(p * p.log2()).sum()).exp()
""",
        "not a power of 2": """
def effective_classes(y, classes):
    p = torch.bincount(y, minlength=classes) / len(y)
    return 2 ** torch.special.entr(p).sum()
""",
        "another measure": """
def effective_classes(y, classes):
    p = torch.bincount(y, minlength=classes) / len(y)
    return 1 / (p**2).sum()
""",
        "not nan": """
def effective_classes(y, classes):
    p = torch.bincount(y, minlength=classes) / len(y)
    return (-(p * p.log()).sum()).exp()
""",
    },
    "q7": {
        "among the first `classes` classes only": """
@torch.no_grad()
def replayed(teacher, n, classes, generator):
    x = teacher.decoder(torch.randn(n, teacher.noise_dim, generator=generator)).sigmoid()
    return x, teacher(x).argmax(1)
""",
        "do not go together yet": """
@torch.no_grad()
def replayed(teacher, n, classes, generator):
    x = teacher.decoder(torch.randn(n, teacher.noise_dim, generator=generator)).sigmoid()
    return x, teacher(x)[:, :classes].argmax(1).flip(0)
""",
        "of 64 intensities in [0, 1]": """
@torch.no_grad()
def replayed(teacher, n, classes, generator):
    x = teacher.decoder(torch.randn(n, teacher.noise_dim, generator=generator))
    return 9 * x, teacher(x)[:, :classes].argmax(1)
""",
        "flow back into the teacher": """
def replayed(teacher, n, classes, generator):
    x = teacher.decoder(torch.randn(n, teacher.noise_dim, generator=generator)).sigmoid()
    return x, teacher(x)[:, :classes].argmax(1)
""",
        "a code of its own": """
@torch.no_grad()
def replayed(teacher, n, classes, generator):
    x = teacher.decoder(torch.randn(1, teacher.noise_dim, generator=generator)).sigmoid().repeat(n, 1)
    return x, teacher(x)[:, :classes].argmax(1)
""",
    },
}
