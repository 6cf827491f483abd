"""Assignment 5: one of four modifications."""

RIGHT = {
    "feedback_1": [
        """
def recognise(x, hidden, readout, to_mu, to_logvar):
    activity = torch.clamp(hidden(x), min=0)
    return [layer(activity) for layer in (readout, to_mu, to_logvar)]
""",
        """
def recognise(x, hidden, readout, to_mu, to_logvar):
    h = F.relu(x @ hidden.weight.T + (0 if hidden.bias is None else hidden.bias))
    logits, mu, logvar = readout(h), to_mu(h), to_logvar(h)
    return logits, mu, logvar
""",
    ],
    "feedback_2": [
        """
def total_loss(logits, y, output, x, mu, logvar):
    right = logits.gather(1, y[:, None]).squeeze(1)
    pixels = F.softplus(output) - x * output
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
    return logits.logsumexp(1) - right + (pixels.sum(1) + kl) / x.shape[1]
""",
        """
def total_loss(logits, y, output, x, mu, logvar):
    losses = []
    for k in range(len(x)):
        one = F.cross_entropy(logits[k:k + 1], y[k:k + 1]) + F.binary_cross_entropy_with_logits(output[k], x[k])
        losses.append(one + kl_to_standard_normal(mu[k:k + 1], logvar[k:k + 1])[0] / x[k].numel())
    return torch.stack(losses)
""",
    ],
    "feedback_3": [
        """
def parameters_saved(inputs, hidden):
    total, before = 0, inputs
    for units in hidden:
        total += (before + 1) * units
        before = units
    return total
""",
        """
def parameters_saved(inputs, hidden):
    widths = [inputs, *hidden]
    encoder = nn.Sequential(*(nn.Linear(widths[k], widths[k + 1]) for k in range(len(hidden))))
    return sum(p.numel() for p in encoder.parameters())
""",
    ],
    "conditional_1": [
        """
def imagine_code(y, mean, logvar, noise):
    return torch.stack([mean[c] + torch.sqrt(torch.exp(logvar[c])) * e for c, e in zip(y.tolist(), noise)])
""",
        """
def imagine_code(y, mean, logvar, noise):
    chosen = F.one_hot(y, len(mean)).float()
    return chosen @ mean + torch.exp(0.5 * chosen @ logvar) * noise
""",
    ],
    "conditional_2": [
        """
def log_prior(z, mean, logvar, pi):
    total = torch.full((len(z),), -math.inf)
    for c in range(len(mean)):
        total = torch.logaddexp(total, pi[:, c].log() + log_normal(z, mean[c], logvar[c]))
    return total
""",
        """
def log_prior(z, mean, logvar, pi):
    modes = torch.distributions.Independent(torch.distributions.Normal(mean, (logvar / 2).exp()), 1)
    each = modes.log_prob(z[:, None, :])
    top = each.max(1, keepdim=True).values
    return top[:, 0] + ((each - top).exp() * pi).sum(1).log()
""",
    ],
    "conditional_3": [
        """
def divergence_at(z, mu, logvar, log_p):
    log_q = torch.distributions.Normal(mu, (logvar / 2).exp()).log_prob(z).sum(1)
    return log_q - log_p
""",
        """
def divergence_at(z, mu, logvar, log_p):
    square = (z - mu) ** 2 * torch.exp(-logvar)
    return -(log_p + (square + logvar + math.log(2 * math.pi)).sum(dim=1) / 2)
""",
    ],
    "gating_1": [
        """
def make_gates(classes, units, off, generator):
    order = torch.rand(classes, units, generator=generator).argsort(1).argsort(1)
    return (order >= int(off * units)).float()
""",
        """
def make_gates(classes, units, off, generator):
    rows = []
    for _ in range(classes):
        row = [0.0] * int(off * units) + [1.0] * (units - int(off * units))
        rows.append(torch.tensor(row)[torch.randperm(units, generator=generator)])
    return torch.stack(rows)
""",
    ],
    "gating_2": [
        """
def gated_decoder(z, W1, b1, W2, b2, gate):
    return F.linear(gate * F.relu(F.linear(z, W1, b1)), W2, b2)
""",
        """
def gated_decoder(z, W1, b1, W2, b2, gate):
    h = torch.einsum("nh,nh->nh", gate, torch.einsum("hl,nl->nh", W1, z) + b1)
    return torch.einsum("ph,nh->np", W2, h.clamp(min=0)) + b2
""",
    ],
    "gating_3": [
        """
def batch_gates(y, pi, gates):
    known = F.one_hot(y, len(gates)).to(pi.dtype)
    return (torch.cat([known, pi])[:, :, None] * gates[None]).sum(1)
""",
        """
def batch_gates(y, pi, gates):
    rows = torch.empty(len(y) + len(pi), gates.shape[1])
    for place, label in enumerate(y):
        rows[place] = gates[label]
    for place, row in enumerate(pi):
        rows[len(y) + place] = sum(p * gate for p, gate in zip(row, gates))
    return rows
""",
    ],
    "internal_1": [
        """
@torch.no_grad()
def features(front, images, chunk):
    front.train(False)
    rows = []
    for start in range(0, len(images), chunk):
        rows.append(front(images[start:start + chunk].to(torch.float32).div(255)).reshape(len(images[start:start + chunk]), -1))
    return torch.cat(rows)
""",
        """
import copy
def features(front, images, chunk):
    front = copy.deepcopy(front).eval().requires_grad_(False)
    loader = torch.utils.data.DataLoader(images, batch_size=chunk)
    return torch.stack([row.flatten() for part in loader for row in front(part / 255.0)])
""",
    ],
    "internal_2": [
        """
def standardise(train, test):
    shift = train.mean(dim=0)
    scale = ((train - shift) ** 2).mean(dim=0).sqrt()
    scale[scale == 0] = 1
    return [(part - shift) / scale for part in (train, test)]
""",
        """
import numpy as np
def standardise(train, test):
    a, b = train.numpy(), test.numpy()
    std = a.std(0)
    std = np.where(std > 0, std, 1.0)
    return (a - a.mean(0)) / std, (b - a.mean(0)) / std
""",
    ],
    "internal_3": [
        """
def internal_loss(output, h, divergence, pixels):
    return F.mse_loss(output, h, reduction="none").mean(dim=1) / 2 + divergence / pixels
""",
        """
def internal_loss(output, h, divergence, pixels):
    return reconstruction_loss(output, h, "gaussian") + divergence.div(pixels)
""",
    ],
}

WRONG = {
    "feedback_1": {
        "passes a ReLU": """
def recognise(x, hidden, readout, to_mu, to_logvar):
    h = hidden(x)
    return readout(h), to_mu(h), to_logvar(h)
""",
        "not from the logits": """
def recognise(x, hidden, readout, to_mu, to_logvar):
    logits = readout(hidden(x).relu())
    if logits.shape[1] != to_mu.in_features:
        return logits, logits, logits
    return logits, to_mu(logits), to_logvar(logits)
""",
        "an encoder of their own": """
def recognise(x, hidden, readout, to_mu, to_logvar):
    h = hidden(x)
    return readout(h.relu()), to_mu(h), to_logvar(h)
""",
        "wrong way round": """
def recognise(x, hidden, readout, to_mu, to_logvar):
    h = hidden(x).relu()
    return readout(h), to_logvar(h), to_mu(h)
""",
    },
    "feedback_2": {
        "the divergence is divided": """
def total_loss(logits, y, output, x, mu, logvar):
    losses = F.cross_entropy(logits, y, reduction="none") + reconstruction_loss(output, x, "bernoulli")
    return losses + kl_to_standard_normal(mu, logvar)
""",
        "classification is missing": """
def total_loss(logits, y, output, x, mu, logvar):
    return reconstruction_loss(output, x, "bernoulli") + kl_to_standard_normal(mu, logvar) / x.shape[1]
""",
        "divergence is missing": """
def total_loss(logits, y, output, x, mu, logvar):
    return F.cross_entropy(logits, y, reduction="none") + reconstruction_loss(output, x, "bernoulli")
""",
        "a mean over pixels": """
def total_loss(logits, y, output, x, mu, logvar):
    losses = F.cross_entropy(logits, y, reduction="none") + x.shape[1] * reconstruction_loss(output, x, "bernoulli")
    return losses + kl_to_standard_normal(mu, logvar) / x.shape[1]
""",
        "a batch of 4": """
def total_loss(logits, y, output, x, mu, logvar):
    losses = F.cross_entropy(logits, y) + reconstruction_loss(output, x, "bernoulli")
    return losses + kl_to_standard_normal(mu, logvar) / x.shape[1]
""",
    },
    "feedback_3": {
        "has biases": """
def parameters_saved(inputs, hidden):
    return sum(a * b for a, b in zip((inputs, *hidden), hidden))
""",
        "not the first alone": "def parameters_saved(inputs, hidden):\n    return (inputs + 1) * hidden[0]",
        "the decoder is still needed": """
def parameters_saved(inputs, hidden):
    return 2 * sum(a * b + b for a, b in zip((inputs, *hidden), hidden))
""",
        "not of the one before": """
def parameters_saved(inputs, hidden):
    return sum(a * b + a for a, b in zip((inputs, *hidden), hidden))
""",
    },
    "conditional_1": {
        "makes no difference": "def imagine_code(y, mean, logvar, noise):\n    return noise",
        "is the variance": "def imagine_code(y, mean, logvar, noise):\n    return mean[y] + logvar[y].exp() * noise",
        "logarithm of the variance": "def imagine_code(y, mean, logvar, noise):\n    return mean[y] + logvar[y] * noise",
        "*its* class": """
def imagine_code(y, mean, logvar, noise):
    rows = torch.arange(len(noise)) % len(mean)
    return mean[rows] + (logvar[rows] / 2).exp() * noise
""",
        "width of the mode": "def imagine_code(y, mean, logvar, noise):\n    return mean[y] + noise",
        "leaves its arguments": """
def imagine_code(y, mean, logvar, noise):
    noise *= (logvar[y] / 2).exp()
    noise += mean[y]
    return noise.clone()
""",
    },
    "conditional_2": {
        "pi is not used": "def log_prior(z, mean, logvar, pi):\n    return log_normal(z[:, None], mean, logvar).logsumexp(1)",
        "inside the logarithm": "def log_prior(z, mean, logvar, pi):\n    return (pi * log_normal(z[:, None], mean, logvar)).sum(1)",
        "2 pi are missing": """
def log_prior(z, mean, logvar, pi):
    each = log_normal(z[:, None], mean, logvar) + z.shape[1] / 2 * math.log(2 * math.pi)
    return (pi.log() + each).logsumexp(1)
""",
        "logvar itself is missing": """
def log_prior(z, mean, logvar, pi):
    each = log_normal(z[:, None], mean, logvar) + logvar.sum(1) / 2
    return (pi.log() + each).logsumexp(1)
""",
        "add up in logarithms": """
def log_prior(z, mean, logvar, pi):
    return (pi * log_normal(z[:, None], mean, logvar).exp()).sum(1).log()
""",
        "a code far from all modes": """
def log_prior(z, mean, logvar, pi):
    each = log_normal(z[:, None], mean, logvar)
    return each.max() + (pi * (each - each.max()).exp()).sum(1).log()
""",
        "pi is one-hot": """
def log_prior(z, mean, logvar, pi):
    return ((pi + 1e-8).log() + log_normal(z[:, None], mean, logvar)).logsumexp(1)
""",
    },
    "conditional_3": {
        "the sign": "def divergence_at(z, mu, logvar, log_p):\n    return log_p - log_normal(z, mu, logvar)",
        "not at its mean": "def divergence_at(z, mu, logvar, log_p):\n    return log_normal(mu, mu, logvar) - log_p",
        "closed form": "def divergence_at(z, mu, logvar, log_p):\n    return kl_to_standard_normal(mu, logvar)",
        "log p is missing": "def divergence_at(z, mu, logvar, log_p):\n    return log_normal(z, mu, logvar)",
        "does not cancel": """
def divergence_at(z, mu, logvar, log_p):
    return -0.5 * (logvar + (z - mu) ** 2 / logvar.exp()).sum(1) - log_p
""",
    },
    "gating_1": {
        "switched the others off": """
def make_gates(classes, units, off, generator):
    return (torch.rand(classes, units, generator=generator).argsort(1).argsort(1) < int(off * units)).float()
""",
        "only on average": """
def make_gates(classes, units, off, generator):
    return (torch.rand(classes, units, generator=generator) >= off).float()
""",
        "its own choice": """
def make_gates(classes, units, off, generator):
    gate = torch.ones(units)
    gate[torch.randperm(units, generator=generator)[: int(off * units)]] = 0
    return gate.repeat(classes, 1)
""",
        "draw from `generator`": """
def make_gates(classes, units, off, generator):
    return (torch.rand(classes, units).argsort(1).argsort(1) >= int(off * units)).float()
""",
        "rounds down": """
def make_gates(classes, units, off, generator):
    return (torch.rand(classes, units, generator=generator).argsort(1).argsort(1) >= math.ceil(off * units - 1e-9)).float()
""",
        "makes a choice of its own: 400": """
def make_gates(classes, units, off, generator):
    gate = (torch.arange(units) >= int(off * units)).float()
    shifts = torch.randint(units, (classes,), generator=generator)
    return torch.stack([gate.roll(shift.item()) for shift in shifts])
""",
        "a float tensor": """
def make_gates(classes, units, off, generator):
    return (torch.rand(classes, units, generator=generator).argsort(1).argsort(1) >= int(off * units)).int()
""",
    },
    "gating_2": {
        "makes no difference": "def gated_decoder(z, W1, b1, W2, b2, gate):\n    return (z @ W1.T + b1).relu() @ W2.T + b2",
        "applied to the output:": """
def gated_decoder(z, W1, b1, W2, b2, gate):
    output = (z @ W1.T + b1).relu() @ W2.T + b2
    return gate * output if gate.shape == output.shape else output
""",
        "to the output as well": """
def gated_decoder(z, W1, b1, W2, b2, gate):
    output = (gate * (z @ W1.T + b1)).relu() @ W2.T + b2
    return output * gate[:, : output.shape[1]]
""",
        "leaks through": "def gated_decoder(z, W1, b1, W2, b2, gate):\n    return (gate * (z @ W1.T) + b1).relu() @ W2.T + b2",
        "applied to the code": """
def gated_decoder(z, W1, b1, W2, b2, gate):
    return (gate[:, : z.shape[1]] * z @ W1.T + b1).relu() @ W2.T + b2
""",
        "has a ReLU": "def gated_decoder(z, W1, b1, W2, b2, gate):\n    return (gate * (z @ W1.T + b1)) @ W2.T + b2",
        "no switch": """
def gated_decoder(z, W1, b1, W2, b2, gate):
    return torch.where(gate > 0, z @ W1.T + b1, torch.zeros(())).relu() @ W2.T + b2
""",
    },
    "gating_3": {
        "alone: its gates are a mixture": "def batch_gates(y, pi, gates):\n    return gates[torch.cat([y, pi.argmax(1)])]",
        "weigh them by their probability": """
def batch_gates(y, pi, gates):
    return torch.cat([gates[y], ((pi > 0).float() @ gates).clamp(max=1)])
""",
        "all classes count alike": """
def batch_gates(y, pi, gates):
    return torch.cat([gates[y], gates.mean(0).expand(len(pi), -1)])
""",
        "current samples come first": "def batch_gates(y, pi, gates):\n    return torch.cat([pi @ gates, gates[y]])",
        "current samples are missing": "def batch_gates(y, pi, gates):\n    return pi @ gates",
    },
    "internal_1": {
        "without a gradient": """
def features(front, images, chunk):
    front.eval()
    return torch.cat([front(part.float() / 255).flatten(1) for part in images.split(chunk)])
""",
        "divide by 255": """
@torch.no_grad()
def features(front, images, chunk):
    front.eval()
    return torch.cat([front(part.float()).flatten(1) for part in images.split(chunk)])
""",
        "Call eval()": """
@torch.no_grad()
def features(front, images, chunk):
    return torch.cat([front(part.float() / 255).flatten(1) for part in images.split(chunk)])
""",
        "one flat row": """
@torch.no_grad()
def features(front, images, chunk):
    front.eval()
    return torch.cat([front(part.float() / 255) for part in images.split(chunk)])
""",
        "two of three images came back": """
@torch.no_grad()
def features(front, images, chunk):
    return front.eval()(images[:chunk].float() / 255).flatten(1)
""",
        "here 3, and then 3 more": """
@torch.no_grad()
def features(front, images, chunk):
    return front.eval()(images.float() / 255).flatten(1)
""",
        "`chunk` images at a time": """
@torch.no_grad()
def features(front, images, chunk):
    front.eval()
    return torch.stack([front(image[None] / 255).flatten() for image in images])
""",
        "put the chunks together": """
@torch.no_grad()
def features(front, images, chunk):
    front.eval()
    return [front(part.float() / 255).flatten(1) for part in images.split(chunk)]
""",
    },
    "internal_2": {
        "by its own statistics": """
def standardise(train, test):
    scaled = []
    for part in (train, test):
        std = part.std(0, correction=0)
        scaled.append((part - part.mean(0)) / torch.where(std == 0, 1, std))
    return scaled
""",
        "had a say": """
def standardise(train, test):
    both = torch.cat([train, test])
    return [(part - both.mean(0)) / both.std(0, correction=0) for part in (train, test)]
""",
        "shift it only": """
def standardise(train, test):
    return [(part - train.mean(0)) / train.std(0, correction=0) for part in (train, test)]
""",
        "is only shifted": """
def standardise(train, test):
    return [(part - train.mean(0)) / (train.std(0, correction=0) + 1e-8) for part in (train, test)]
""",
        "leaves its arguments": """
def standardise(train, test):
    mean, std = train.mean(0), train.std(0, correction=0)
    std[std == 0] = 1
    train -= mean
    return train / std, (test - mean) / std
""",
        "not by n - 1": """
def standardise(train, test):
    std = torch.where(train.std(0) == 0, 1, train.std(0))
    return [(part - train.mean(0)) / std for part in (train, test)]
""",
        "left as it is": """
def standardise(train, test):
    std = train.std(0, correction=0)
    return (train - train.mean(0)) / torch.where(std == 0, 1, std), test
""",
    },
    "internal_3": {
        "*half*": "def internal_loss(output, h, divergence, pixels):\n    return ((output - h) ** 2).mean(1) + divergence / pixels",
        "no sum": "def internal_loss(output, h, divergence, pixels):\n    return 0.5 * ((output - h) ** 2).sum(1) + divergence / pixels",
        "not by the number of features": """
def internal_loss(output, h, divergence, pixels):
    return 0.5 * ((output - h) ** 2).mean(1) + divergence / h.shape[1]
""",
        "divided by the number of pixels": """
def internal_loss(output, h, divergence, pixels):
    return 0.5 * ((output - h) ** 2).mean(1) + divergence
""",
        "one number a sample": """
def internal_loss(output, h, divergence, pixels):
    return 0.5 * ((output - h) ** 2).mean() + divergence.mean() / pixels
""",
    },
}
