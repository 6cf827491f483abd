"""What the live parts of the book are: names, titles, and the still picture that each leaves without a script.

A still picture is drawn from numbers that `tools/live_stills.py` computed with the library, and stored.
"""

import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "_static" / "live"
#: One script on the page, in this order.
KIT = ("numbers.js", "net.js", "session.js", "answers.js", "learner.js", "ui.js", "pad.js")
TITLES = {
    "forget": "Forget it yourself",
    "playground": "Replay playground",
    "exams": "One network, three exams",
    "store": "Your store",
    "z": "Walk through z",
    "owners": "Who owns the codes",
    "places": "One code, five tasks",
    "springs": "Springs",
    "dreams": "Choose what to replay",
    "night": "Day and night",
}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 400, 210, 46, 40, 12, 32


def kit(folder: Path = FOLDER) -> str:
    """The scripts that every part needs, as one, without indentation and without comments on lines of their own."""
    whole = "\n".join((folder / name).read_text(encoding="utf-8") for name in KIT)
    return re.sub(r"^ +", "", re.sub(r"^ */\*.*?\*/ *\n", "", whole, flags=re.M | re.S), flags=re.M)


def curves(names: Sequence[str], points: Sequence[Sequence[Sequence[float]]], alt: str) -> str:
    """Accuracies (percent) over training steps as an SVG picture: a line for each name, of (step, accuracy)."""
    last = max(step for line in points for step, _ in line)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (100 - value) / 100

    parts = []
    for value in (0, 50, 100):
        parts.append(f'<line class="live-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value)}" y2="{y(value)}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{value} %</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">training steps, {last} in all</text>')
    taken: list[float] = []
    for number, (name, line) in enumerate(zip(names, points, strict=True), 1):
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in line)
        parts.append(f'<polyline class="live-line live-c{number}" points="{path}"/>')
        height = y(line[-1][1]) + 4
        while any(abs(height - other) < 12 for other in taken):
            height -= 1
        taken.append(height)
        place = f'x="{WIDTH - RIGHT + 5}" y="{height:.0f}"'
        parts.append(f'<text class="live-ink{number}" {place}>{escape(name)}</text>')
    inside = "".join(parts)
    return (
        f'<svg class="live-curves" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(alt)}">{inside}</svg>'
    )


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Numbers with their names: the first entry of each row is what the row is of."""
    head = "<td></td>" + "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = ""
    for name, *values in rows:
        cells = "".join(f"<td>{escape(str(value))}</td>" for value in values)
        body += f'<tr><th scope="row">{escape(str(name))}</th>{cells}</tr>'
    inside = f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="live-scroll"><table class="live-table">{inside}</table></div>'


def still(name: str, folder: Path = FOLDER) -> str:
    """The still picture of a part and its numbers, as HTML."""
    stored = json.loads((folder / "stills.json").read_text(encoding="utf-8"))[name]
    parts = []
    if "curves" in stored:
        parts.append(curves(stored["curves"]["names"], stored["curves"]["points"], stored["words"]))
    if "image" in stored:
        parts.append(f'<img class="live-still-image" src="{stored["image"]}" alt="{escape(stored["words"])}"/>')
    if "table" in stored:
        parts.append(table(**stored["table"]))
    note = "Computed with the course's library. Where scripts may run, you do it yourself on the page."
    return "".join(parts) + f'<p class="live-note">{escape(stored["words"])} {note}</p>'


def figure(name: str, folder: Path = FOLDER) -> str:
    """The place of a part on the page: its title, and its still picture until it runs."""
    title = escape(TITLES[name])
    inside = f'<p class="live-title">{title}</p><div class="live-still">{still(name, folder)}</div>'
    return (
        f'<figure class="live" id="live-{name}" data-live="{name}" role="group" aria-label="{title}">{inside}</figure>'
    )
