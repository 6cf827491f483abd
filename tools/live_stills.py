"""Compute the numbers of the live parts' still pictures with the library, on the images that the page itself uses.

python tools/live_stills.py            # writes book/_static/live/stills.json; takes a minute or two
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

import live_stills_networks as networks
import torch
from live_common import BATCH, KEPT, LR, NAMES, STEPS, classifier, digits
from live_digits import OUT

from replaylib.brain import Brain
from replaylib.generative import BrainNet
from replaylib.loop import evaluate, objective, train
from replaylib.nets import Network
from replaylib.replay import Buffer, Everything, Generated, Nothing, Replay
from replaylib.scenarios import Batch, Stream, split_stream
from replaylib.steps import adam

TARGET = OUT.with_name("stills.json")


def forget() -> dict[str, Any]:
    """Accuracy on five tasks that are trained one after another, and then with three images of each digit replayed."""
    stream = split_stream(digits(), "class", 5)
    net = classifier(stream, torch.Generator().manual_seed(1))
    draws = stream.generator(2)
    optimizer = adam(net.parameters(), LR)
    points: list[list[tuple[int, float]]] = [[] for _ in NAMES]
    best, step = [0.0] * 5, 0
    buffer = Buffer(stream, KEPT, "balanced", draws)

    def steps(task: int, seen: int, replay: Replay) -> torch.Tensor:
        nonlocal step
        for _ in range(STEPS):
            old = replay.sample(BATCH)
            size = BATCH if old is None else BATCH + len(old.y)
            loss = objective(stream, net, task, stream.draw(task, BATCH, draws), old, torch.empty(size, 0))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % 5 == 0:
                now = evaluate(stream, net, seen)
                for known in range(seen):
                    points[known].append((step, round(now[known].item(), 1)))
                    best[known] = max(best[known], now[known].item())
        return evaluate(stream, net, seen)

    for task in range(5):
        end = steps(task, task + 1, Nothing())
        if task < 4:
            buffer.end(task)
    after = steps(4, 5, buffer)
    rows = [("at its best", best), ("after the last task", end.tolist()), ("after replay", after.tolist())]
    words = (
        f"Accuracy on five tasks, trained one after another for {STEPS} steps each: every curve falls to about "
        f"{end[:-1].mean():.0f} % when the next task begins. In the last {STEPS} steps {KEPT} images of each earlier "
        f"digit are replayed, and accuracy on those tasks comes back to {after[:-1].mean():.0f} % on average."
    )
    shown = [[name, *(round(value) for value in values)] for name, values in rows]
    caption = "Accuracy (%) on 100 test images of each task, one seed"
    return {"words": words, "curves": {"names": NAMES, "points": points},
            "table": {"caption": caption, "columns": NAMES, "rows": shown}}  # fmt: skip


def playground() -> dict[str, Any]:
    """Final accuracies of the playground's methods, as it starts: means over three seeds, and their standard errors."""
    brains = {"generative replay": Brain(), "brain-inspired replay": Brain.all()}
    methods = ["none", "exact replay, 3 of each", *brains, "joint"]
    rows = []
    for method in methods:
        finals = []
        for seed in range(3):
            stream = split_stream(digits(), "class", 5)
            start, draws = torch.Generator().manual_seed(seed), stream.generator(100 + seed)
            net: Network = classifier(stream, start)
            replay: Replay = Nothing()
            if method in brains:
                net = BrainNet(brains[method], net, start, noise_dim=32, gate_prop=0.7)  # type: ignore[arg-type]
                replay = Generated(stream, net, draws)
            elif method == "joint":
                replay = Everything(stream, draws)
            elif method != "none":
                replay = Buffer(stream, KEPT, "balanced", draws)
            result = train(stream, net, replay, draws, iterations=200, batch=BATCH, lr=LR)
            finals.append(result.matrix[-1])
        each = torch.stack(finals)
        overall = each.mean(1)
        error = (overall.std() / len(overall) ** 0.5).item()
        rows.append([method, *(round(v) for v in each.mean(0).tolist()), f"{overall.mean():.1f} ± {error:.1f}"])
    words = (
        "Final accuracy after five tasks of 200 steps, class-incremental, of a network with 100-100 hidden units: "
        + "; ".join(f"{row[0]} {row[-1]} %" for row in rows)
        + ". Means over 3 seeds, with standard errors."
    )
    columns = [*NAMES, "all (mean ± SEM)"]
    return {
        "words": words,
        "table": {"caption": "Accuracy (%) at the end, on each task", "columns": columns, "rows": rows},
    }


def exams() -> dict[str, Any]:
    """One network, trained on five pairs of digits one after another, in three exams; trained with either softmax."""
    seeds, rows = 5, []
    for scenario, over in (("class", "all digits so far"), ("task", "the pair")):
        marks: dict[str, list[list[float]]] = {}
        for seed in range(seeds):
            stream = split_stream(digits(), scenario, 5)
            net = classifier(stream, torch.Generator().manual_seed(seed))
            train(stream, net, Nothing(), stream.generator(100 + seed), iterations=STEPS, batch=BATCH, lr=LR)
            data = stream.data.test
            with torch.no_grad():
                logits = net(data.inputs(data.images))
            pair = data.labels // 2
            in_pair = torch.arange(10) // 2 == pair[:, None]
            mass = logits.exp().view(-1, 5, 2).sum(1)
            right = {
                "class-incremental": logits.argmax(1) == data.labels,
                "domain-incremental": mass.argmax(1) == data.labels % 2,
                "task-incremental": logits.masked_fill(~in_pair, -torch.inf).argmax(1) == data.labels,
            }
            for exam, correct in right.items():
                each = [100 * correct[pair == task].double().mean().item() for task in range(5)]
                marks.setdefault(exam, []).append(each)
        for exam, scores in marks.items():
            mean = torch.tensor(scores).mean(0).tolist()
            rows.append([f"softmax over {over}; exam: {exam}", *(round(value) for value in mean)])
    words = (
        f"Accuracy of one network on five pairs of digits, {STEPS} steps each, one after another, nothing replayed: "
        f"means over {seeds} seeds. On the first pair it is right on {rows[0][1]} % when asked which of the ten digits "
        f"it is, and on {rows[2][1]} % when told the pair; trained with a softmax over the pair alone, on "
        f"{rows[3][1]} % and {rows[5][1]} %."
    )
    return {"words": words, "table": {"caption": "Accuracy (%) on each pair", "columns": NAMES, "rows": rows}}


class Chosen:
    """Replay of chosen rows of the first task."""

    nbytes = 0

    def __init__(self, stream: Stream, rows: torch.Tensor, draws: torch.Generator) -> None:
        self.stream, self.rows, self.draws, self.ended = stream, rows, draws, False

    def sample(self, n: int) -> Batch | None:
        picks = self.rows[torch.randint(len(self.rows), (n,), generator=self.draws)]
        return self.stream.batch(picks, torch.zeros_like(picks)) if self.ended else None

    def end(self, task: int) -> None:
        self.ended = True


def store() -> dict[str, Any]:
    """What is remembered of 0 to 4 after 5 to 9, with random stores of several sizes."""
    stores = 5
    rows = []
    for size in (3, 5, 10, 20):
        kept = []
        for seed in range(stores):
            stream = split_stream(digits(), "class", 2)
            draws = stream.generator(seed)
            first = stream.rows(0)
            chosen = first[torch.randperm(len(first), generator=draws)[:size]]
            net = classifier(stream, torch.Generator().manual_seed(1))
            replay = Chosen(stream, chosen, draws)
            kept.append(train(stream, net, replay, draws, iterations=STEPS, batch=BATCH, lr=LR).matrix[-1])
        old, new = torch.stack(kept).T
        rows.append([f"{size} images", *(round(v.item()) for v in (old.mean(), old.min(), old.max(), new.mean()))])
    words = (
        f"A network learns 0 to 4 and then 5 to 9, {STEPS} steps each. With {rows[0][0]} of 0 to 4 replayed, chosen at "
        f"random, it is right on {rows[0][1]} % of them in the end; with {rows[-1][0]}, on {rows[-1][1]} %. Means over "
        f"{stores} stores."
    )
    columns = ["0 to 4, mean", "worst store", "best store", "5 to 9, mean"]
    caption = "Accuracy (%) at the end, by the size of a random store"
    return {"words": words, "table": {"caption": caption, "columns": columns, "rows": rows}}


STILLS: dict[str, Callable[[], dict[str, Any]]] = {
    "forget": forget,
    "playground": playground,
    "exams": exams,
    "store": store,
    "z": networks.z,
    "owners": networks.owners,
    "places": networks.places,
    "springs": networks.springs,
    "dreams": networks.dreams,
    "night": networks.night,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compute the numbers of the live parts' still pictures.")
    parser.add_argument("parts", nargs="*", choices=[*STILLS, []], help="those to compute again; all by default")
    chosen = parser.parse_args().parts or list(STILLS)
    stored = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
    for name in chosen:
        stored[name] = STILLS[name]()
        print(f"{name}: {stored[name]['words']}")
    TARGET.write_text(json.dumps(stored, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
