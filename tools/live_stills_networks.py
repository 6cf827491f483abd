"""The numbers of the still pictures that look into a network: its codes, its gates, its springs, its nights."""

import base64
import io
import math
from typing import Any, cast

import live_weights
import torch
from live_common import BATCH, LR, NAMES, STEPS, classifier, digits
from PIL import Image

from replaylib.brain import Brain
from replaylib.generative import BrainNet
from replaylib.lab.networks import load_network
from replaylib.loop import Training, evaluate, objective, train
from replaylib.penalties import EWC
from replaylib.replay import Buffer, Generated, Nothing
from replaylib.scenarios import split_stream
from replaylib.steps import adam


def plane() -> torch.Tensor:
    """The codes of the page's plane, (169, 2): row by row from the upper left."""
    places = torch.linspace(-2.6, 2.6, 13)
    return torch.cartesian_prod(-places, places).flip(1)


def picture(images: torch.Tensor, across: int) -> str:
    """Square images of ink in [0, 1], (n, pixels), so many in a row, as one PNG in a data address."""
    side = math.isqrt(images.shape[1])
    sheet = images.view(-1, across, side, side).transpose(1, 2).reshape(-1, across * side)
    file = io.BytesIO()
    Image.fromarray(255 - (255 * sheet).round().to(torch.uint8).numpy()).save(file, "png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def z() -> dict[str, Any]:
    """The plane of codes, decoded by the network that the page loads."""
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
    return {"words": words, "image": picture(images, 13), "table": shares}


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


def places() -> dict[str, Any]:
    """What the same codes are decoded to by the stored generator of the published scale, after each of five tasks."""
    count, shown = 2000, 10
    z = torch.randn(count, 100, generator=torch.Generator().manual_seed(0))
    y = torch.zeros(count, dtype=torch.long)
    judge = load_network("joint", 5).net
    rows, images, first = [], [], y
    for task in range(1, 6):
        with torch.no_grad():
            imagined = cast(BrainNet, load_network("gr", task).net).generate(y, y, z)
            digits = judge(imagined).argmax(1)
        first = digits if task == 1 else first
        images.append(imagined[:shown])
        kept = round(100 * (digits == first).double().mean().item())
        owned = (100 * (digits // 2).bincount(minlength=5) / count).round().int().tolist()
        rows.append([f"after task {task}", *owned, kept])
    words = (
        f"The same {shown} codes of a hundred numbers, decoded by a generator of the published scale after each of "
        f"five tasks, a row each. Of {count:,} codes {rows[-1][-1]} % show after task 5 the digit that they showed "
        f"after task 1, and {rows[-1][1]} % a 0 or a 1."
    )
    caption = f"Share (%) of {count:,} codes in which a judge sees each pair of digits, one seed"
    columns = [*NAMES, "as after task 1"]
    return {
        "words": words,
        "image": picture(torch.cat(images), shown),
        "table": {"caption": caption, "columns": columns, "rows": rows},
    }


def springs() -> dict[str, Any]:
    """Elastic weight consolidation on two pairs of digits, at several strengths, in two scenarios."""
    rows = []
    for strength in (1e1, 1e3, 1e5, 1e6):
        row: list[Any] = [f"λ = {strength:,.0f}"]
        for scenario in ("task", "class"):
            stream = split_stream(digits(), scenario, 5)
            net = classifier(stream, torch.Generator().manual_seed(1))
            draws = stream.generator(2)
            penalty = EWC(stream, net, draws, strength=strength)
            after: list[torch.Tensor] = []

            def watch(now: Training) -> None:
                if (now.task, now.step) == (1, STEPS):
                    after.append(evaluate(stream, net, seen=2))  # noqa: B023

            train(stream, net, Nothing(), draws, iterations=STEPS, batch=BATCH, lr=LR, penalty=penalty, watch=watch)
            row += [round(value) for value in after[0][:2].tolist()]
        rows.append(row)
    best = max(min(row[3:]) for row in rows)
    words = (
        f"Elastic weight consolidation: 0 and 1, and then 2 and 3, {STEPS} steps each. When the pair is known, both "
        f"are kept; among all digits seen so far no strength here keeps both above {best} %. No spring holds the new "
        "output units."
    )
    columns = ["pair known: 0, 1", "2, 3", "pair not known: 0, 1", "2, 3"]
    return {
        "words": words,
        "table": {"caption": "Accuracy (%) after 2 and 3, one seed", "columns": columns, "rows": rows},
    }


def dreams() -> dict[str, Any]:
    """What the page's network of brain-inspired replay imagines, with a mode and gates that do or do not fit."""
    stream = split_stream(digits(), "class", 5)
    start = torch.Generator().manual_seed(0)
    net = BrainNet(Brain.all(), classifier(stream, start), start, noise_dim=32, gate_prop=0.7)
    net = live_weights.loaded("brain", net)
    assert net.gates is not None
    count = 1000
    rows = []
    for codes, gates in (
        ("mode of 4", "4"),
        ("mode of 4", "7"),
        ("plain noise", "4"),
        ("plain noise", "7"),
        ("mode of 4", ""),
    ):
        noise = torch.randn(count, 32, generator=torch.Generator().manual_seed(5))
        with torch.no_grad():
            z = net.prior.draw(torch.full((count,), 4), noise) if codes == "mode of 4" else noise
            row = net.gates.open[int(gates)] if gates else torch.ones_like(net.gates.open[0])
            seen_as = net(net.decoder(z, row.expand(count, -1)).sigmoid()).argmax(1)
        shares = [round(100 * (seen_as == digit).double().mean().item()) for digit in (4, 7)]
        named = f"{codes}, {f'gates of {gates}' if gates else 'all gates open'}"
        rows.append([named, *shares, 100 - sum(shares)])
    words = (
        f"Of {count} images that brain-inspired replay imagines from the mode of 4, the network takes {rows[0][1]} % "
        f"for a 4 with the gates of 4, and {rows[1][2]} % for a 7 with the gates of 7: the gates decide. With all "
        f"gates open it takes {rows[4][1]} % for a 4."
    )
    columns = ["taken for a 4", "for a 7", "for another"]
    return {"words": words, "table": {"caption": "Share (%) of the images", "columns": columns, "rows": rows}}


def night() -> dict[str, Any]:
    """Five days of two digits each, and three timetables of sleep, in which a small store is replayed."""
    blocks, steps, seeds = 6, 25, 5
    timetables = {"no sleep": [], "one block after each day": [6 * day + 5 for day in range(5)],
                  "one long night at the end": list(range(25, 30))}  # fmt: skip
    rows = []
    for name, asleep in timetables.items():
        accuracies = []
        for seed in range(seeds):
            stream = split_stream(digits(), "class", 5)
            net = classifier(stream, torch.Generator().manual_seed(seed))
            draws = stream.generator(100 + seed)
            optimizer = adam(net.parameters(), LR)
            store = Buffer(stream, 10, "balanced", draws)
            means = []
            for block in range(5 * blocks):
                day = block // blocks
                if block % blocks == 0:
                    store.end(day)  # what is met today is there for the night
                for _ in range(steps):
                    batch = store.sample(BATCH) if block in asleep else stream.draw(day, BATCH, draws)
                    assert batch is not None
                    loss = objective(stream, net, day, batch, None, torch.empty(BATCH, 0))
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                means.append(evaluate(stream, net, day + 1)[: day + 1].mean().item())
            accuracies.append([sum(means) / len(means), means[-1]])
        both = torch.tensor(accuracies)
        error = both.std(0) / seeds**0.5
        rows.append([name, *(f"{m:.0f} ± {e:.0f}" for m, e in zip(both.mean(0).tolist(), error.tolist(), strict=True))])
    words = (
        "Five days of two digits each. By night ten stored images of every digit met so far are replayed. Accuracy on "
        f"all digits met so far, at the end: {'; '.join(f'{row[0]} {row[2]} %' for row in rows)}. Means over {seeds} "
        "seeds ± SEM."
    )
    caption = "Accuracy (%) on all digits met so far"
    return {
        "words": words,
        "table": {"caption": caption, "columns": ["on average over the days", "at the end"], "rows": rows},
    }
