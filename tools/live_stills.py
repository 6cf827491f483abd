"""Compute the numbers of the live parts' still pictures with the library, on the images that the page itself uses.

python tools/live_stills.py            # writes book/_static/live/stills.json; takes a minute or two
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

import torch
from live_digits import LEVELS, OUT, TRAIN, read

from replaylib.brain import Brain, BrainNet
from replaylib.data.dataset import Dataset, Split
from replaylib.loop import adam, evaluate, objective, train
from replaylib.nets import Classifier, Network
from replaylib.replay import Buffer, Everything, Generated, Nothing, Replay
from replaylib.scenarios import Stream, split_stream

TARGET = OUT.with_name("stills.json")
HIDDEN = (100, 100)
BATCH, LR, STEPS = 32, 1e-3, 100
KEPT = 3
NAMES = ["0, 1", "2, 3", "4, 5", "6, 7", "8, 9"]


def digits() -> Split:
    """The images of the page, as the library's data."""
    ink = torch.from_numpy(read(OUT.read_text(encoding="utf-8")))
    images = (ink.long() * (255 // LEVELS)).to(torch.uint8)[:, None]
    per = len(ink) // 10
    labels = torch.arange(10).repeat_interleave(per)
    trained = torch.arange(len(ink)) % per < TRAIN
    classes = tuple(map(str, range(10)))
    return Split(*(Dataset("MNIST at 14x14", images[part], labels[part], classes) for part in (trained, ~trained)))


def classifier(stream: Stream, start: torch.Generator) -> Classifier:
    return Classifier(stream.data.train.pixels, HIDDEN, stream.outputs, start)


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
                net = BrainNet(brains[method], net, start, latent=32, gate_prop=0.7)  # type: ignore[arg-type]
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


STILLS: dict[str, Callable[[], dict[str, Any]]] = {"forget": forget, "playground": playground}


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
