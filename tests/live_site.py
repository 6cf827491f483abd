"""Pages with one live part each, and what a reader does on them."""

import json
import shutil
from pathlib import Path

import live_networks
import live_parts

from tests import chromium


def built_site(folder: Path) -> Path:
    """A page for each part, as the book has it, beside the scripts."""
    shutil.copytree(live_parts.FOLDER, folder / "live")
    (folder / "live" / "kit.js").write_text(live_parts.kit(), encoding="utf-8")
    live_networks.write(folder / "live")
    for name in live_parts.TITLES:
        head = '<link rel="stylesheet" href="live/live.css"><script defer src="live/live.js"></script>'
        (folder / f"{name}.html").write_text(
            f'<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>{name}</title>{head}'
            f'<meta name="viewport" content="width=device-width">'
            f"<body style='margin:8px'>{live_parts.figure(name)}</body></html>",
            encoding="utf-8",
        )
    return folder


def ready(page: chromium.Page, site: Path, name: str, query: str = "", **options: int) -> None:
    page.open(site / f"{name}.html", query, **options)
    page.wait("document.querySelector('figure.live')?.dataset.state")
    assert page.run("document.querySelector('figure.live').dataset.state") == "ready", page.errors


def click(page: chromium.Page, words: str) -> None:
    """Press the button that says so; fails if there is none that can be pressed."""
    pressed = page.run(
        f"""(() => {{ const can = [...document.querySelectorAll('button')].filter((b) => !b.matches(':disabled'));
        const found = can.find((b) => b.textContent === {json.dumps(words)});
        found?.click(); return Boolean(found); }})()"""
    )
    assert pressed, f"no button {words!r} can be pressed"


def idle(page: chromium.Page) -> None:
    page.wait("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Stop').disabled")


def accuracies(page: chromium.Page) -> list[str]:
    cells: list[str] = page.run(
        "[...document.querySelectorAll('.live-part .live-table tbody tr:first-child td')].map((c) => c.textContent)"
    )
    return cells


def said(page: chromium.Page) -> str:
    words: str = page.run("document.querySelector('.live-status').textContent")
    return words
