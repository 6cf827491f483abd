"""A watcher: how far the layers that classify move in each task."""

from replaylib import register


@register.watcher("drift")
def drift(experiments):
    """How far the layers between input and logits have moved in each task: the distance of their parameters."""
    began = []

    def watch(now):
        parameters = [p.detach() for layer in now.net.path for p in layer.parameters()]
        if now.step == 1:
            began[:] = [p.clone() for p in parameters]
        if now.step == experiments[0].iterations:
            square = sum(((p - before) ** 2).sum() for p, before in zip(parameters, began, strict=True))
            print(f"task {now.task + 1}: the layers have moved by {square.item() ** 0.5:.3f}")

    return watch
