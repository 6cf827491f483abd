"""Assignment 3: a variational auto-encoder and its losses."""

RIGHT = {
    "q1": [
        "def draw_code(mu, logvar, noise):\n    return torch.addcmul(mu, torch.sqrt(torch.exp(logvar)), noise)",
        """
def draw_code(mu, logvar, noise):
    std = torch.exp(0.5 * logvar)
    return torch.distributions.Normal(mu, std).icdf(torch.distributions.Normal(0.0, 1.0).cdf(noise))
""",
    ],
    "q2": [
        "def kl(mu, logvar):\n    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=-1)",
        """
def kl(mu, logvar):
    q = torch.distributions.Normal(mu, (logvar / 2).exp())
    return torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
""",
    ],
    "q3": [
        "def reconstruction(logits, x):\n    return (F.softplus(logits) - x * logits).mean(dim=1)",
        """
def reconstruction(logits, x):
    loss = -(x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits))
    return loss.sum(1) / x.shape[1]
""",
    ],
    "q4": [
        """
def negative_elbo(x, logits, mu, logvar):
    pixels = logits.shape[-1]
    nats = pixels * reconstruction_loss(logits, x, "bernoulli") + kl_to_standard_normal(mu, logvar)
    return nats / pixels
""",
        """
def negative_elbo(x, logits, mu, logvar):
    likelihood = torch.distributions.Bernoulli(logits=logits, validate_args=False)
    kl_divergence = 0.5 * (mu * mu + logvar.exp() - logvar - 1).sum(1)
    return (kl_divergence - likelihood.log_prob(x).sum(1)) / x[0].numel()
""",
    ],
    "q5": [
        "def active_units(mu, threshold=0.01):\n    return (((mu - mu.mean(0)) ** 2).mean(0) > threshold).sum()",
        """
import numpy as np
def active_units(mu, threshold=0.01):
    return sum(1 for unit in mu.detach().numpy().T if np.var(unit) > threshold)
""",
    ],
    "q6": [
        """
def free_bits(mu, logvar, free):
    total = 0.0
    for j in range(mu.shape[1]):
        one = kl_to_standard_normal(mu[:, j:j + 1], logvar[:, j:j + 1]).mean()
        total = total + (one if one > free else one * 0 + free)
    return total
""",
        """
def free_bits(mu, logvar, free):
    each = -0.5 * (1 + logvar - mu ** 2 - torch.exp(logvar))
    return torch.maximum(each.mean(dim=0), torch.tensor(float(free))).sum()
""",
    ],
    "q7": [
        """
def importance_bound(log_w):
    top = log_w.max(0).values
    return top + (log_w - top).exp().mean(0).log()
""",
        """
def importance_bound(log_w):
    total = log_w[0]
    for one in log_w[1:]:
        total = torch.logaddexp(total, one)
    return total - torch.tensor(float(log_w.shape[0])).log()
""",
    ],
}

WRONG = {
    "q1": {
        "is the variance": "def draw_code(mu, logvar, noise):\n    return mu + logvar.exp() * noise",
        "*logarithm*": "def draw_code(mu, logvar, noise):\n    return mu + logvar * noise",
        "exp is missing": "def draw_code(mu, logvar, noise):\n    return mu + logvar / 2 * noise",
        "takes no part": "def draw_code(mu, logvar, noise):\n    return mu",
        "reaches logvar": "def draw_code(mu, logvar, noise):\n    return mu + (logvar.detach() / 2).exp() * noise",
        "no gradient flows": "@torch.no_grad()\ndef draw_code(mu, logvar, noise):\n    return mu + (logvar / 2).exp() * noise",
        "mu is missing": "def draw_code(mu, logvar, noise):\n    return (logvar / 2).exp() * noise",
        "no square root": "def draw_code(mu, logvar, noise):\n    return mu + logvar.sqrt() * noise",
        "the sign: the noise": "def draw_code(mu, logvar, noise):\n    return mu - (logvar / 2).exp() * noise",
        "the sign of logvar": "def draw_code(mu, logvar, noise):\n    return mu + (-logvar / 2).exp() * noise",
        "leaves its arguments": """
def draw_code(mu, logvar, noise):
    noise *= (logvar.detach() / 2).exp()
    return mu + noise + logvar * noise.detach() / 2 - (logvar * noise).detach() / 2
""",
        "the noise that is given": "def draw_code(mu, logvar, noise):\n    return mu + (logvar / 2).exp() * torch.rand_like(mu)",
    },
    "q2": {
        "a sum, no mean": "def kl(mu, logvar):\n    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean(1)",
        "factor 1/2": "def kl(mu, logvar):\n    return (mu**2 + logvar.exp() - 1 - logvar).sum(1)",
        "never negative": "def kl(mu, logvar):\n    return -0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)",
        "minus log of the variance": "def kl(mu, logvar):\n    return 0.5 * (mu**2 + logvar.exp() - 1 + logvar).sum(1)",
        "not of the standard": "def kl(mu, logvar):\n    return 0.5 * (mu**2 + (2 * logvar).exp() - 1 - 2 * logvar).sum(1)",
        "do not average": "def kl(mu, logvar):\n    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()",
    },
    "q3": {
        "not summed": "def reconstruction(logits, x):\n    return (F.softplus(logits) - x * logits).sum(1)",
        "over the batch as well": "def reconstruction(logits, x):\n    return F.binary_cross_entropy_with_logits(logits, x)",
        "sigmoid of a sigmoid": """
def reconstruction(logits, x):
    return F.binary_cross_entropy_with_logits(logits.sigmoid(), x, reduction="none").mean(1)
""",
        "wrong way round": "def reconstruction(logits, x):\n    return (F.softplus(logits) - (1 - x) * logits).mean(1)",
        "log of exactly 0": """
def reconstruction(logits, x):
    p = logits.sigmoid()
    return -(x * p.log() + (1 - x) * (1 - p).log()).mean(1)
""",
        "cut off": """
def reconstruction(logits, x):
    return F.binary_cross_entropy(logits.sigmoid(), x, reduction="none").mean(1)
""",
        "squared error": "def reconstruction(logits, x):\n    return ((logits.sigmoid() - x) ** 2).mean(1)",
    },
    "q4": {
        "not divided by the number of pixels": """
def negative_elbo(x, logits, mu, logvar):
    return reconstruction_loss(logits, x, "bernoulli") + kl_to_standard_normal(mu, logvar)
""",
        "in nats": """
def negative_elbo(x, logits, mu, logvar):
    return x.shape[1] * reconstruction_loss(logits, x, "bernoulli") + kl_to_standard_normal(mu, logvar)
""",
        "it is added": """
def negative_elbo(x, logits, mu, logvar):
    return reconstruction_loss(logits, x, "bernoulli") - kl_to_standard_normal(mu, logvar) / x.shape[1]
""",
        "the divergence weighs too much": """
def negative_elbo(x, logits, mu, logvar):
    return reconstruction_loss(logits, x, "bernoulli") + kl_to_standard_normal(mu, logvar) / mu.shape[1]
""",
        "one number a sample": """
def negative_elbo(x, logits, mu, logvar):
    losses = reconstruction_loss(logits, x, "bernoulli") + kl_to_standard_normal(mu, logvar) / x.shape[1]
    return losses.mean()
""",
    },
    "q5": {
        "it is the variance that counts": """
def active_units(mu, threshold=0.01):
    return int(((mu**2).mean(0) > threshold).sum())
""",
        "over the *data*": "def active_units(mu, threshold=0.01):\n    return int((mu.var(1) > threshold).sum())",
        "not the standard deviation": "def active_units(mu, threshold=0.01):\n    return int((mu.std(0) > threshold).sum())",
        "the silent ones": "def active_units(mu, threshold=0.01):\n    return int((mu.var(0) <= threshold).sum())",
        "`threshold` is not used": "def active_units(mu, threshold=0.01):\n    return int((mu.var(0) > 0.01).sum())",
    },
    "q6": {
        "the mean over the batch comes first": """
def free_bits(mu, logvar, free):
    return (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).clamp(min=free).mean(0).sum()
""",
        "for each unit of z": """
def free_bits(mu, logvar, free):
    return kl_to_standard_normal(mu, logvar).mean().clamp(min=free)
""",
        "the smaller of the two": """
def free_bits(mu, logvar, free):
    return (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).mean(0).clamp(max=free).sum()
""",
        "nothing is subtracted": """
def free_bits(mu, logvar, free):
    return ((0.5 * (mu**2 + logvar.exp() - 1 - logvar)).mean(0) - free).relu().sum()
""",
        "no gradient flows": """
def free_bits(mu, logvar, free):
    return (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).detach().mean(0).clamp(min=free).sum()
""",
        "not the sum": """
def free_bits(mu, logvar, free):
    return (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).sum(0).clamp(min=free).sum()
""",
    },
    "q7": {
        "is the ELBO again": "def importance_bound(log_w):\n    return log_w.mean(0)",
        "1/k is missing": "def importance_bound(log_w):\n    return log_w.logsumexp(0)",
        "stay with logarithms": "def importance_bound(log_w):\n    return log_w.exp().mean(0).log()",
        "largest weight alone": "def importance_bound(log_w):\n    return log_w.max(0).values",
        "codes are rows": "def importance_bound(log_w):\n    return log_w.logsumexp(1) - math.log(log_w.shape[1])",
    },
}
