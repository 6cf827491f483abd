"""Compute the numbers of the live parts' still pictures with the library, on the images that the page itself uses.

python tools/live_stills.py            # writes book/_static/live/stills.json; takes a minute or two
"""

import argparse
import base64
import io
import json
from collections.abc import Callable
from typing import Any

import torch
from live_digits import LEVELS, OUT, TRAIN, read
from PIL import Image

from replaylib.brain import Brain, BrainNet
from replaylib.data.dataset import Dataset, Split
from replaylib.loop import Training, evaluate, objective, train
from replaylib.nets import Classifier, Network
from replaylib.replay import Buffer, Everything, Generated, Nothing, Replay
from replaylib.scenarios import Batch, Stream, split_stream
from replaylib.steps import adam

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
        for exam, found in marks.items():
            mean = torch.tensor(found).mean(0).tolist()
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


def plane() -> torch.Tensor:
    """The codes of the page's plane, (169, 2): row by row from the upper left."""
    places = torch.linspace(-2.6, 2.6, 13)
    return torch.cartesian_prod(-places, places).flip(1)


def picture(images: torch.Tensor) -> str:
    """169 images of ink in [0, 1], (169, 196), as one PNG in a data address."""
    sheet = images.view(13, 13, 14, 14).transpose(1, 2).reshape(182, 182)
    file = io.BytesIO()
    Image.fromarray(255 - (255 * sheet).round().to(torch.uint8).numpy()).save(file, "png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def z() -> dict[str, Any]:
    """The plane of codes, decoded by the network that the page loads."""
    import live_weights  # which imports this module

    net = live_weights.loaded("codes", live_weights.untrained_codes())
    codes = plane()
    with torch.no_grad():
        images = net.decode(codes, torch.zeros(len(codes), 10), None).sigmoid()
        owner = net(images).argmax(1)
    owned = [round(100 * (owner == digit).double().mean().item()) for digit in range(10)]
    words = (
        "Digits decoded from a plane of codes of two numbers, each from −2.6 to 2.6: neighbours look alike, and "
        "between two digits lie shapes between them. "
        f"The most room has {owned.index(max(owned))}, with {max(owned)} % of the plane."
    )
    caption = "Share (%) of the plane that the network takes for each digit"
    shares = {"caption": caption, "columns": [str(d) for d in range(10)], "rows": [["share", *owned]]}
    return {"words": words, "image": picture(images), "table": shares}


def owners() -> dict[str, Any]:
    """Which pair of digits each part of the plane of codes belongs to, task after task, with generative replay."""
    seeds = 3
    shares = torch.zeros(5, 5, dtype=torch.double)
    finals = []
    for seed in range(seeds):
        stream = split_stream(digits(), "class", 5)
        start = torch.Generator().manual_seed(seed)
        net = BrainNet(Brain(distill=True), classifier(stream, start), start, noise_dim=2)

        def watch(now: Training) -> None:
            if now.step == 150:
                with torch.no_grad():
                    images = net.decode(plane(), torch.zeros(169, 10), None).sigmoid()  # noqa: B023
                    owner = net(images)[:, : 2 * now.task + 2].argmax(1) // 2  # noqa: B023
                shares[now.task] += 100 * owner.bincount(minlength=5).double() / 169 / seeds

        draws = stream.generator(100 + seed)
        replay = Generated(stream, net, draws)
        result = train(stream, net, replay, draws, iterations=150, batch=BATCH, lr=LR, watch=watch)
        finals.append(result.matrix[-1, 0].item())
    rows = [
        [f"after task {task + 1}", *(round(v) if pair <= task else "" for pair, v in enumerate(row))]
        for task, row in enumerate(shares.tolist())
    ]
    words = (
        "Whose the codes are: the share of the plane that a network with generative replay takes for each pair of "
        f"digits, mean over {seeds} seeds. At the end 0 and 1 own {shares[4, 0]:.0f} %, and accuracy on them is "
        f"{sum(finals) / seeds:.0f} %."
    )
    caption = "Share (%) of the plane of codes, after each task of 150 steps"
    return {"words": words, "table": {"caption": caption, "columns": NAMES, "rows": rows}}


STILLS: dict[str, Callable[[], dict[str, Any]]] = {
    "forget": forget,
    "playground": playground,
    "exams": exams,
    "store": store,
    "z": z,
    "owners": owners,
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
