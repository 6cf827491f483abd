"""Look at every page of the built book as its readers do, in Chromium, and say what is wrong; --table shows measures.

Each page at the widths of a phone, a tablet, a laptop and a large screen, light and dark: what is cut off, wider than
the screen or too pale; how much a page weighs; what it asks of others; whether its text is there without scripts.
"""

import argparse
import functools
import gzip
import http.server
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parents[1]
WIDTHS = (390, 768, 1440, 1920)
SCHEMES = ("light", "dark")
Widths: TypeAlias = tuple[int, ...]
Schemes: TypeAlias = tuple[str, ...]
#: What a page may weigh (bytes, as a server sends them) and ask for; one without formulas less.
MOST_BYTES, MOST_WITHOUT_FORMULAS, MOST_REQUESTS = 500_000, 250_000, 20
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A telephone's network, "3G Fast" of WebPageTest (bytes and milliseconds), and how many times its processor is slower
# than this one; by then (seconds) there is text, and a page that answers.
FAST_3G = {"downloadThroughput": 1_600_000 / 8, "uploadThroughput": 768_000 / 8, "latency": 150, "offline": False}
SLOWER, TEXT_BY, ANSWERS_BY = 4, 2, 4
PACKED = {".png", ".jpg", ".jpeg", ".webp", ".woff2", ".gz", ".zip", ".pdf", ".epub"}

# What is looked at in a page, by geometry and by the colours that are shown.
LOOK = r"""
() => {
  const cut = (e) => { // wider than a box around it that hides or scrolls the rest, and shows no edge
    if (e.closest("[data-scrolls], details:not([open])") || !e.getClientRects().length) return false;
    const right = e.getBoundingClientRect().right;
    for (let box = e.parentElement; box && box.tagName !== "BODY"; box = box.parentElement)
      if (getComputedStyle(box).overflowX !== "visible" && right > box.getBoundingClientRect().right + 2) return true;
    return right > innerWidth + 2;
  };
  const count = (selector) => {
    const all = [...document.querySelectorAll(selector)];
    return [all.filter(cut).length, all.length];
  };
  const channels = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const style = getComputedStyle(e), [r, g, b, a = 1] = channels(style.backgroundColor);
      if (a > 0.99) return [r, g, b];
      if (style.backgroundImage !== "none" && !e.hasAttribute("data-scrolls")) return null; // not to be known
    }
    return [255, 255, 255];
  };
  const pale = [], unseen = "script, style, noscript, .katex-mathml, dialog";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const e = text.parentElement;
    if (!text.data.trim() || !e.getClientRects().length || e.closest(unseen)) continue;
    const style = getComputedStyle(e), behind = ground(e), [r, g, b, a = 1] = channels(style.color);
    if (!behind || a < 0.99 || style.visibility === "hidden" || +style.opacity < 1) continue;
    const [low, high] = [light([r, g, b]), light(behind)].sort((x, y) => x - y);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
    if ((high + 0.05) / (low + 0.05) < (large ? 3 : 4.5)) pale.push(text.data.trim().slice(0, 40));
  }
  return {
    equations: count("article .katex-display > .katex"),
    figures: count("article img, article figure svg"),
    tables: count("article table"),
    overflow: document.documentElement.scrollWidth - innerWidth,
    bare: [...document.querySelectorAll("main img")].filter((e) => !(e.alt || "").trim()).length,
    formulas: document.querySelectorAll(".katex").length,
    pale: [...new Set(pale)],
  };
}
"""

# When there was text, and when the last task ended that kept a page from answering: two quiet seconds follow.
WHEN = """
() => new Promise((tell) => {
  let last = 0;
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) last = Math.max(last, task.startTime + task.duration);
  }).observe({ type: "longtask", buffered: true });
  const look = setInterval(() => {
    const [text] = performance.getEntriesByName("first-contentful-paint");
    const ready = performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd;
    const answers = Math.max(last, ready);
    if (!text || !ready || document.readyState !== "complete" || performance.now() < answers + 2000) return;
    clearInterval(look);
    tell([text.startTime / 1000, answers / 1000]);
  }, 100);
})
"""


@dataclass
class Findings:
    """What is wrong with a book, each fault with the pages that have it; and a row of measures for each page."""

    faults: dict[str, set[str]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, fault: str, page: str) -> None:
        self.faults.setdefault(fault, set()).add(page)


def browser_path() -> str | None:
    """Where Chromium, or a browser made of it, is on this machine; None if nowhere."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address of a folder, served on this machine alone while the block runs."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            """Send text compressed, as a site's server does."""
            path = Path(self.translate_path(self.path))
            if not path.is_file() or path.suffix in PACKED:
                return super().do_GET()
            body = sent(path)
            self.send_response(200)
            self.send_header("Content-Type", self.guess_type(str(path)))
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@functools.cache
def sent(path: Path) -> bytes:
    """A file as a server sends it."""
    data = path.read_bytes()
    return data if path.suffix in PACKED else gzip.compress(data, 6)


def visit(browser: Any, base: str, site: Path, page: str, widths: Widths, schemes: Schemes, findings: Findings) -> None:
    """Open a page at the first width, look at it at every width and in every scheme, and note what is wrong with it."""
    context = browser.new_context(viewport={"width": widths[0], "height": 900}, color_scheme=schemes[0])
    tab = context.new_page()
    asked: set[str] = set()

    def request(route: Any) -> None:
        url = route.request.url
        if url.startswith(base):
            asked.add(re.split(r"[?#]", url.removeprefix(base + "/"))[0])
        elif not url.startswith(("data:", "blob:")):
            findings.add(f"asks another host: {url}", page)
            return route.abort()
        route.continue_()

    tab.route("**/*", request)
    tab.on("pageerror", lambda error: findings.add(f"script error: {str(error)[:120]}", page))
    tab.on("response", lambda answer: findings.add(f"missing: {answer.url}", page) if answer.status >= 400 else None)
    tab.goto(f"{base}/{page}", wait_until="load")
    tab.add_style_tag(content="*, ::before, ::after { transition: none !important }")  # colours are those that stay
    for width in widths:
        tab.set_viewport_size({"width": width, "height": 900})
        for scheme in schemes:
            tab.emulate_media(color_scheme=scheme)
            tab.evaluate("theme => document.documentElement.dataset.theme = theme", scheme)
            tab.wait_for_timeout(150)
            seen = tab.evaluate(LOOK)
            note(seen, page, width, scheme, findings)
            if (width, scheme) == (widths[0], schemes[0]):
                weigh(seen, page, [site / name for name in asked], findings)
    context.close()


def note(seen: dict[str, Any], page: str, width: int, scheme: str, findings: Findings) -> None:
    """Note what is cut off, too wide, without words or too pale."""
    for kind in ("equations", "figures"):
        if seen[kind][0]:
            findings.add(f"{kind} cut off at {width} pixels", page)
    if seen["overflow"] > 1:
        findings.add(f"wider than the screen at {width} pixels", page)
    if seen["bare"]:
        findings.add("image without alternative text", page)
    for text in seen["pale"]:
        findings.add(f"too pale, {scheme}: {text!r}", page)


def weigh(seen: dict[str, Any], page: str, asked: list[Path], findings: Findings) -> None:
    """Note how much a page had to fetch, and that it is too much."""
    size = sum(len(sent(path)) for path in asked if path.is_file())
    if size > (MOST_BYTES if seen["formulas"] else MOST_WITHOUT_FORMULAS) or len(asked) > MOST_REQUESTS:
        findings.add(f"heavy: {size / 1000:.0f} KB in {len(asked)} requests", page)
    kinds = {kind: seen[kind] for kind in ("equations", "figures", "tables")}
    findings.rows.append({"page": page, "KB": round(size / 1000), "requests": len(asked), **kinds})


def without_scripts(browser: Any, base: str, page: str, findings: Findings) -> None:
    """Look at a page whose scripts never come: its text, its formulas and its pictures are there all the same."""
    context = browser.new_context(viewport={"width": WIDTHS[0], "height": 900}, java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{base}/{page}", wait_until="load")
    shown = tab.query_selector("article") or tab.query_selector("body")
    if len(shown.inner_text().split()) < 20:
        findings.add("no text without JavaScript", page)
    if any(not box.is_visible() for box in tab.query_selector_all("article .moved-shown img")):
        findings.add("no picture without JavaScript", page)
    context.close()


def slowly(browser: Any, base: str, page: str, findings: Findings) -> None:
    """Open a page for the first time on a slow network and a slow processor, and note what comes late."""
    context = browser.new_context(viewport={"width": WIDTHS[0], "height": 900})
    tab = context.new_page()
    told = context.new_cdp_session(tab)
    told.send("Network.enable")
    told.send("Network.emulateNetworkConditions", FAST_3G)
    told.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    tab.goto(f"{base}/{page}", wait_until="load", timeout=120_000)
    text, answers = tab.evaluate(WHEN)
    context.close()
    findings.rows.append({"page": page, "text": text, "answers": answers})
    if text > TEXT_BY:
        findings.add(f"text after more than {TEXT_BY} s on a slow network", page)
    if answers > ANSWERS_BY:
        findings.add(f"answers after more than {ANSWERS_BY} s on a slow network", page)


def look(
    site: Path, only: str = "", widths: Widths = WIDTHS, schemes: Schemes = SCHEMES, slow: bool = False
) -> Findings:
    """Look at the pages of a built book whose path matches `only`; or, with `slow`, at when they come.

    Raises
    ------
    FileNotFoundError : no Chromium on this machine, or no page there.
    """
    from playwright.sync_api import sync_playwright

    path = browser_path()
    if path is None:
        raise FileNotFoundError("no Chromium found: install one to look at the pages")
    pages = sorted(file.relative_to(site).as_posix() for file in site.rglob("*.html"))
    pages = [
        page for page in pages if not page.startswith(("_static", "_sources", "reports")) and re.search(only, page)
    ]
    if not pages:
        raise FileNotFoundError(f"no page in {site}: build the book first, with `make book`")
    findings = Findings()
    with served(site) as base, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for page in pages:
            if slow:
                slowly(browser, base, page, findings)
                continue
            visit(browser, base, site, page, widths, schemes, findings)
            without_scripts(browser, base, page, findings)
        browser.close()
    return findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a pattern that the pages' paths match (default: all)")
    parser.add_argument("--table", action="store_true", help="print what was measured, a line a page")
    parser.add_argument("--slow", action="store_true", help="time the pages on a slow network and processor instead")
    choice = parser.parse_args()
    try:
        findings = look(ROOT / "_build" / "html", choice.only, slow=choice.slow)
    except FileNotFoundError as error:
        sys.exit(f"error: {error}")
    for row in findings.rows if choice.slow else ():
        print(f"{row['page']}: text after {row['text']:.1f} s, answers after {row['answers']:.1f} s")
    for row in findings.rows if choice.table and not choice.slow else ():
        cut = ", ".join(f"{kind} {row[kind][0]}/{row[kind][1]}" for kind in ("equations", "figures", "tables"))
        print(f"{row['page']}: {row['KB']} KB in {row['requests']} requests; cut off: {cut}")
    for fault, where in sorted(findings.faults.items()):
        print(f"{fault}   ({len(where)} pages: {', '.join(sorted(where)[:3])})")
    print(f"{len(findings.rows)} pages, {len(findings.faults)} faults")
    sys.exit(1 if findings.faults else 0)


if __name__ == "__main__":
    main()
