"""The published hyper-parameters of every method, for each protocol and scenario, with their source."""

from typing import NamedTuple

from replaylib.lab.protocols import BI_R

THREE = "van de Ven, Tuytelaars & Tolias 2022"
GENERATIVE = "van de Ven, Li & Tolias 2021"


class Setting(NamedTuple):
    """One row of the table `SETTINGS`; ``"*"`` stands for all methods, protocols or scenarios."""

    methods: str
    option: str
    protocol: str
    scenario: str
    value: int | float | str
    source: str

    def fits(self, method: str, option: str, protocol: str, scenario: str) -> bool:
        """Whether the row gives this option's value."""
        return (
            self.option == option
            and (self.methods == "*" or method in self.methods.split())
            and self.protocol in ("*", protocol)
            and self.scenario in ("*", scenario)
        )


#: The value of every option, the first row that fits; a quick protocol's own row goes before all others. Rows that
#: stand for a protocol or scenario without a published value say so; none was tuned here.
SETTINGS = (
    Setting("exact nearest-mean der++", "per_class", "*", "*", 100, f"{THREE}: 100 a class"),
    Setting("exact nearest-mean der++", "policy", "*", "*", "balanced", THREE),
    Setting("ewc online-ewc", "strength", "split-mnist", "task", 1e9, BI_R),
    Setting("ewc online-ewc", "strength", "split-mnist", "class", 1e5, BI_R),
    Setting("ewc online-ewc", "strength", "split-mnist", "domain", 1e10, THREE),
    Setting("ewc online-ewc", "strength", "split-cifar100", "task", 1000.0, BI_R),
    Setting("ewc online-ewc", "strength", "split-cifar100", "domain", 1000.0, THREE),
    Setting("ewc online-ewc", "strength", "split-cifar100", "*", 1.0, f"{BI_R}, class-incremental"),
    Setting("ewc online-ewc", "strength", "permuted-mnist", "*", 1.0, BI_R),
    Setting("ewc online-ewc", "strength", "*", "*", 1e5, "not published; Split MNIST's, class-incremental"),
    Setting("si", "strength", "split-mnist", "task", 10.0, BI_R),
    Setting("si", "strength", "split-mnist", "class", 0.1, BI_R),
    Setting("si", "strength", "split-mnist", "domain", 5e4, THREE),
    Setting("si", "strength", "split-cifar100", "task", 100.0, BI_R),
    Setting("si", "strength", "split-cifar100", "domain", 500.0, THREE),
    Setting("si", "strength", "split-cifar100", "*", 1.0, f"{BI_R}, class-incremental"),
    Setting("si", "strength", "permuted-mnist", "*", 10.0, BI_R),
    Setting("si", "strength", "*", "*", 0.1, "not published; Split MNIST's, class-incremental"),
    Setting("bi-r-si", "strength", "permuted-mnist", "domain", 1.0, BI_R),
    Setting("bi-r-si", "strength", "split-cifar100", "*", 1e8, f"{BI_R}; too strong for few, large steps"),
    Setting("bi-r-si", "strength", "*", "*", 1.0, "not published; Permuted MNIST's"),
    Setting("xdg", "gate_prop", "split-mnist", "task", 0.9, BI_R),
    Setting("xdg", "gate_prop", "split-cifar100", "task", 0.7, BI_R),
    Setting("xdg", "gate_prop", "*", "*", 0.9, "not published; Split MNIST's"),
    Setting("*", "gate_prop", "split-mnist", "*", 0.8, BI_R),
    Setting("bi-r-no-conditional", "gate_prop", "permuted-mnist", "*", 0.0, BI_R),
    Setting("bi-r-no-distill", "gate_prop", "permuted-mnist", "*", 0.6, BI_R),
    Setting("gr+gating", "gate_prop", "permuted-mnist", "*", 0.2, BI_R),
    Setting("*", "gate_prop", "permuted-mnist", "*", 0.8, BI_R),
    Setting("bi-r-si", "gate_prop", "split-cifar100", "*", 0.6, BI_R),
    Setting("bi-r-no-distill", "gate_prop", "split-cifar100", "class", 0.8, BI_R),
    Setting("bi-r-no-feedback", "gate_prop", "split-cifar100", "task", 0.3, BI_R),
    Setting("bi-r-no-conditional", "gate_prop", "split-cifar100", "class", 0.6, BI_R),
    Setting("bi-r-no-internal", "gate_prop", "split-cifar100", "task", 0.8, BI_R),
    Setting("bi-r-no-internal", "gate_prop", "split-cifar100", "class", 0.9, BI_R),
    Setting("gr+gating", "gate_prop", "split-cifar100", "task", 0.1, BI_R),
    Setting("*", "gate_prop", "split-cifar100", "task", 0.0, BI_R),
    Setting("*", "gate_prop", "split-cifar100", "*", 0.7, f"{BI_R}, class-incremental"),
    Setting("*", "gate_prop", "*", "*", 0.8, "not published; Split MNIST's"),
    Setting("generative-classifier", "noise_dim", "split-glyphs", "*", 5, "this course"),
    Setting("generative-classifier", "noise_dim", "split-mnist", "*", 5, GENERATIVE),
    Setting("generative-classifier", "noise_dim", "split-cifar100", "*", 20, GENERATIVE),
    Setting("generative-classifier", "noise_dim", "*", "*", 5, "this course"),
    Setting("generative-classifier", "samples", "split-mnist", "*", 10_000, GENERATIVE),
    Setting("generative-classifier", "samples", "split-cifar100", "*", 10_000, f"{GENERATIVE}; for a GPU"),
    Setting("*", "noise_dim", "*", "*", 100, BI_R),
)
