"""Published final accuracies, as the course quotes them: each with its protocol, scenario and source.

All are means with standard errors of the mean, in percent, after the last task.
"""

from typing import NamedTuple

import pandas as pd

from replaylib.errors import InputError
from replaylib.lab import compare, frames

#: Where values come from, by year.
SOURCES = {
    2018: "van de Ven & Tolias 2018, arXiv:1809.10635v1, Table 3; 20 seeds. The loss of soft targets is averaged over "
    "classes, not summed",
    2021: "van de Ven, Li & Tolias 2021, CVPR Workshops, Table 2; 10 seeds. Losses of brain-inspired replay as here",
    2022: "van de Ven, Tuytelaars & Tolias 2022, Nature Machine Intelligence, Table 3; 10 seeds. Convolutional "
    "layers are frozen with every method; the variational loss of brain-inspired replay is divided by the number of "
    "features, 1024, and SI is applied to all parameters",
}


class Published(NamedTuple):
    """Final accuracy of a method: mean and standard error, in percent; ``year`` is that of its source in `SOURCES`."""

    protocol: str
    scenario: str
    year: int
    method: str
    mean: float
    sem: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.sem:.2f}"


def _rows(protocol: str, scenario: str, year: int, **methods: tuple[float, float]) -> list[Published]:
    return [Published(protocol, scenario, year, name.replace("_", "-"), *value) for name, value in methods.items()]


ACCURACIES = (
    *_rows(
        "split-mnist", "task", 2018, none=(85.15, 1.00), joint=(99.64, 0.03), xdg=(98.74, 0.31), ewc=(85.48, 1.20),
        si=(99.14, 0.11), lwf=(99.60, 0.03), gr=(99.47, 0.03), gr_distill=(99.59, 0.03), rtf=(99.66, 0.03),
    ),
    *_rows(
        "split-mnist", "domain", 2018, none=(57.33, 1.66), joint=(98.41, 0.06), ewc=(57.80, 1.61), si=(63.77, 1.18),
        lwf=(71.02, 1.26), gr=(95.74, 0.23), gr_distill=(96.94, 0.14), rtf=(97.31, 0.11),
    ),
    *_rows(
        "split-mnist", "class", 2018, none=(19.90, 0.02), joint=(97.93, 0.04), ewc=(19.90, 0.02), si=(20.04, 0.08),
        lwf=(24.17, 0.51), gr=(91.24, 0.33), gr_distill=(91.84, 0.27), rtf=(92.56, 0.21),
    ),
    *_rows(
        "split-cifar100", "task", 2022, none=(61.43, 0.36), joint=(78.78, 0.25), xdg=(69.86, 0.34), ewc=(76.34, 0.29),
        si=(74.84, 0.39), lwf_sum=(78.59, 0.24), gr=(71.40, 0.32), bi_r=(79.14, 0.21), exact=(76.43, 0.24),
    ),
    *_rows(
        "split-cifar100", "domain", 2022, none=(18.42, 0.33), joint=(46.85, 0.51), ewc=(21.65, 0.55), si=(22.58, 0.42),
        lwf_sum=(29.45, 0.39), gr=(20.52, 0.43), bi_r=(30.26, 0.44), exact=(39.00, 0.34),
    ),
    *_rows(
        "split-cifar100", "class", 2022, none=(7.71, 0.18), joint=(49.78, 0.21), ewc=(8.24, 0.25), si=(8.10, 0.24),
        lwf_sum=(25.57, 0.27), gr=(9.67, 0.22), bi_r=(25.81, 0.41), exact=(37.57, 0.21),
        generative_classifier=(46.83, 0.18),
    ),
    *_rows(
        "split-cifar100", "class", 2021, none=(7.96, 0.11), joint=(54.08, 0.27), ewc=(8.47, 0.09), si=(8.43, 0.08),
        gr=(9.22, 0.24), bi_r=(21.51, 0.25), bi_r_si=(34.38, 0.21), generative_classifier=(49.55, 0.06),
    ),
)  # fmt: skip


def find(protocol: str, scenario: str, year: int) -> dict[str, Published]:
    """What one source has of a protocol and scenario, by method; raises `InputError` where it has nothing."""
    values = {
        one.method: one for one in ACCURACIES if (one.protocol, one.scenario, one.year) == (protocol, scenario, year)
    }
    if not values:
        raise InputError(f"nothing of {protocol}, {scenario}-incremental, is known from {year}: see ACCURACIES")
    return values


def share_of_gap(values: dict[str, Published], method: str) -> float | None:
    """Percent of the published gap from *none* to *joint* that a method keeps; None for those two, or where unknown."""
    if method in ("none", "joint") or not {method, "none", "joint"} <= values.keys():
        return None
    low, high = values["none"].mean, values["joint"].mean
    return 100 * (values[method].mean - low) / (high - low)


def beside(frame: pd.DataFrame, years: tuple[int, ...], also: tuple[str, ...] = ()) -> pd.DataFrame:
    """Accuracy and share of the gap of our runs, and beside them those of each source: a row a method, in its order.

    Parameters
    ----------
    frame : as `replaylib.lab.frames.frame` gives, runs of one published protocol and scenario, at one scale.
    years : of the sources, see `SOURCES`.
    also : methods of the sources that get a row without a run of ours, at the end.
    """
    first = frame.iloc[0]
    sources = {year: find(first["protocol"], first["scenario"], year) for year in years}
    rows = {}
    for name in dict.fromkeys([*frame["method"], *also]):
        ours = frame[frame["method"] == name]
        cells = {
            "here (%)": f"{compare.mean_sem(ours['acc'], 1)} ({len(ours)})" if len(ours) else "",
            "here: share of the gap (%)": _share(frame, name) if len(ours) else "",
        }
        for year, values in sources.items():
            kept = share_of_gap(values, name)
            cells[f"{year} (%)"] = str(values.get(name, "")).replace(" ", "\u00a0")
            cells[f"{year}: share of the gap (%)"] = "" if kept is None else f"{kept:.0f}"
        rows[name] = cells
    return pd.DataFrame.from_dict(rows, orient="index")


def _share(frame: pd.DataFrame, name: str) -> str:
    if name in ("none", "joint"):
        return ""
    return compare.mean_sem(compare.share_of_gap(frame, name), 0)


def differences(frame: pd.DataFrame, pairs: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    """How much better one method is than another, seed by seed: the order of classes and first weights are the same.

    A row for each pair (better, worse) that has seeds in common: ``points``, mean ± SEM of the differences;
    ``seeds``; ``mean / SEM``; ``same sign``, whether every seed has the sign of the mean.
    """
    wide = frame.pivot(index="seed", columns="method", values="acc")
    rows = {}
    for better, worse in pairs:
        if not {better, worse} <= set(wide):
            continue
        gains = (wide[better] - wide[worse]).dropna()
        mean, sem = float(gains.mean()), float(gains.std() / len(gains) ** 0.5)
        if len(gains) > 1:
            rows[f"{better} - {worse}"] = {
                "points": f"{mean:+.1f} ± {sem:.1f}", "seeds": str(len(gains)),
                "mean / SEM": f"{mean / sem:.1f}" if sem else "",
                "same sign": "yes" if (gains * mean > 0).all() else "no",
            }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def benchmark(iterations: int = 5000, precision: str | None = None) -> pd.DataFrame:
    """The stored runs of Split CIFAR-100 of so many steps a task, class-incremental, in order of accuracy.

    5,000 are the published scale; 1,000 and 300 go with smaller networks and batches and higher learning rates.
    ``precision`` is that of layers' products: bfloat16 unless given at the published scale, otherwise float32.
    """
    every = frames.published("cifar100")
    wanted = precision or ("bfloat16" if iterations == 5000 else "float32")
    whole = every[(every["iterations"] == iterations) & (every["scenario"] == "class")]
    whole = whole[whole["precision"].fillna("float32") == wanted]
    order = whole.groupby("method")["acc"].mean().sort_values().index
    return whole.sort_values("method", key=lambda names: names.map(list(order).index), kind="stable")
