"""What the science calls its choices. No tensor is needed to say them: the command line reads this, and not PyTorch."""

#: The three continual-learning scenarios, see `replaylib.scenarios`.
SCENARIOS = {
    "task": "task-incremental: the task is known; choose among its classes",
    "domain": "domain-incremental: every task has the same outputs; the task is not known",
    "class": "class-incremental: choose among all classes seen so far; the task is not known",
}

#: How a buffer decides what it keeps, see `replaylib.replay.Buffer`.
POLICIES = ("balanced", "reservoir")

#: What matrix products of layers are computed in, see `replaylib.train`.
PRECISIONS = ("float32", "bfloat16")

#: In which order classes arrive, see `replaylib.scenarios.class_order`.
ORDERS = ("random", "labels")
