"""What every page loads: one style sheet and one script, made of the theme's, the extensions' and the book's own.

Of the style sheets only the rules stay that some page of the book can match. Icons are drawn by the style sheet,
from the shapes in the theme's copy of Font Awesome: the few that the pages name, rather than a script with all of them.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import tinycss2
from docutils import nodes
from sphinx.application import Sphinx

THEME_STYLES = ("styles/theme.css", "styles/pydata-sphinx-theme.css")
THEME_SCRIPTS = ("scripts/bootstrap.js", "scripts/pydata-sphinx-theme.js")
#: What no page needs: Sphinx's own search and its highlighting, and toggles, which are HTML's own.
LEFT_OUT = ("doctools.js", "sphinx_highlight.js", "togglebutton.js", "togglebutton.css")
ICON = re.compile(r'"?([a-z0-9-]+)"?:\[(\d+),(\d+),\[[^\]]*\],"([0-9a-f]+)","(M[^"]+)"\]')
#: An icon in the place of a letter of Font Awesome's font, which no page loads.
DRAWN = (
    "display:inline-block;height:1em;width:1em;background:currentColor;"
    "-webkit-mask:{icon} center/contain no-repeat;mask:{icon} center/contain no-repeat"
)


def name_of(asset: Any) -> str:
    """The path of a style sheet or script below `_static`, or "" where it is written in the page."""
    return str(asset.filename or "").removeprefix("_static/")


def files_of_pages(assets: list[Any], suffix: str) -> list[str]:
    """The files that every page has, in the order of the page."""
    ordered = sorted(assets, key=lambda asset: asset.priority)
    return [
        name for asset in ordered if (name := name_of(asset)).endswith(suffix) and not name.startswith(("http", "//"))
    ]


def bundled(app: Sphinx) -> dict[str, list[str]]:
    """The files of `_static` that become `book.css` and `book.js`."""
    builder: Any = app.builder
    styles = [*THEME_STYLES, *files_of_pages(builder._orig_css_files, ".css")]
    scripts = [*files_of_pages(builder._orig_js_files, ".js"), *THEME_SCRIPTS]
    bundles = {"book.css": styles, "book.js": scripts}
    return {
        bundle: [name for name in dict.fromkeys(parts) if name not in LEFT_OUT] for bundle, parts in bundles.items()
    }


def load_bundles(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Take out of a page what is in the bundles, and what only scripts that are left out would read."""
    parts = bundled(app)
    known = {*parts["book.css"], *parts["book.js"], *LEFT_OUT}
    for kind in ("css_files", "script_files"):
        context[kind] = [
            asset
            for asset in context.get(kind, [])
            if name_of(asset) not in known
            and not (asset.attributes.get("body") or "").lstrip().startswith("DOCUMENTATION_OPTIONS")
        ]
    context["bundle_digest"] = hashlib.sha256(repr(sorted(known)).encode() + stamp(app)).hexdigest()[:8]


def stamp(app: Sphinx) -> bytes:
    """The times and sizes of the book's own files, so that a changed one is fetched again."""
    folders = [Path(app.confdir, folder) for folder in app.config.html_static_path]
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.suffix in (".css", ".js"))
    return repr([(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]).encode()


def words(outdir: Path) -> set[str]:
    """Every class that a page has, and every word that a script could make one of."""
    names: set[str] = set()
    for page in outdir.rglob("*.html"):
        for classes in re.findall(r'class="([^"]*)"', page.read_text(encoding="utf-8")):
            names.update(classes.split())
    for script in outdir.glob("_static/**/*.js"):
        if script.name != "fontawesome.js" and "vendor" not in script.parts:
            names.update(re.findall(r"[\w-]+", script.read_text(encoding="utf-8")))
    return names


def can_match(selector: str, known: set[str]) -> bool:
    """Whether a page could hold what a selector names."""
    named = re.findall(r"\.(-?[A-Za-z_](?:[\w-]|\\.)*)", re.sub(r":not\([^)]*\)", "", selector))
    return all(name.replace("\\", "") in known for name in named)


def slim(rules: list[Any], known: set[str]) -> str:
    """The rules, those in media queries included, that something on a page can match."""
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors = split_selectors(tinycss2.serialize(rule.prelude))
            matching = [selector for selector in selectors if can_match(selector, known)]
            if matching:
                kept.append(f"{','.join(matching)}{{{tinycss2.serialize(rule.content).strip()}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports", "layer") and rule.content:
            inner = slim(tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True), known)
            if inner:
                kept.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}")
        elif rule.type == "at-rule" and not is_icon_font(rule):
            kept.append(rule.serialize())
    return "\n".join(kept)


def is_icon_font(rule: Any) -> bool:
    return rule.lower_at_keyword == "font-face" and "Awesome" in tinycss2.serialize(rule.content or [])


def split_selectors(prelude: str) -> list[str]:
    """The selectors of a list, which commas in brackets do not end."""
    parts, depth = [""], 0
    for character in prelude:
        depth += (character in "([") - (character in ")]")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


@dataclass(frozen=True)
class Icon:
    """A shape of Font Awesome's, with its name, and its number in their font."""

    name: str
    code: str
    url: str


def shapes(source: str) -> list[Icon]:
    """The icons in Font Awesome's script; the solid ones come last, and stay."""
    icons: dict[str, Icon] = {}
    for name, width, height, code, path in ICON.findall(source):
        svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'><path d='{path}'/></svg>"
        icons[name] = Icon(name, code, f'url("data:image/svg+xml,{quote(svg, safe=" /:=,()" + chr(39))}")')
    return list(icons.values())


def icon_classes(drawn: list[Icon], known: set[str]) -> str:
    """A style for each icon whose class some page has."""
    rules = [
        f".fa-solid,.fa-regular,.fa-brands,.fas,.far,.fab{{vertical-align:-.125em;{DRAWN.format(icon='var(--icon)')}}}",
        "@media (forced-colors:active){[class*=fa-]{forced-color-adjust:none;background:CanvasText}}",
    ]
    rules += [f".fa-{icon.name}{{--icon:{icon.url}}}" for icon in drawn if f"fa-{icon.name}" in known]
    return "\n".join(rules)


def draw_letters(css: str, drawn: list[Icon]) -> str:
    """A style sheet in which icons are drawn where it writes letters of Font Awesome's font."""
    css = re.sub('"([\ue000-\uf8ff])"', lambda match: f'"\\{ord(match[1]):x}"', css)  # as a style sheet has them
    by_code = {icon.code: icon.url for icon in drawn}
    named = dict(re.findall(r'--([\w-]+):"\\(f[0-9a-f]{3})"', css))
    named |= {name: named[other] for name, other in re.findall(r"--([\w-]+):var\(--([\w-]+)\)", css) if other in named}

    def draw(match: re.Match[str]) -> str:
        url = by_code.get(named.get(match[1], "") if match[1] else match[2])
        return f'content:"";{DRAWN.format(icon=url)}' if url else match[0]

    return re.sub(r'content:(?:var\(--([\w-]+)\)|"\\(f[0-9a-f]{3})")', draw, css)


def read_style(path: Path) -> str:
    """A style sheet, with those that it imports in it."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r'@import "([^"]+)";', lambda match: read_style(path.parent / match[1]), text)


def write_bundles(app: Sphinx, error: Exception | None) -> None:
    """Write `book.css` and `book.js`, and remove what is no longer asked for."""
    if error or app.builder.name != "html":
        return
    static = Path(app.outdir, "_static")
    parts = bundled(app)
    known, drawn = words(Path(app.outdir)), shapes((static / "scripts" / "fontawesome.js").read_text(encoding="utf-8"))
    styles = "\n".join(read_style(static / name) for name in parts["book.css"])
    rules = tinycss2.parse_stylesheet(styles, skip_comments=True, skip_whitespace=True)
    css = icon_classes(drawn, known) + "\n" + slim(rules, known)
    (static / "book.css").write_text(draw_letters(css, drawn), encoding="utf-8")
    scripts = [(static / name).read_text(encoding="utf-8") for name in parts["book.js"]]
    scripts = [re.sub(r"^//# sourceMappingURL=.*$", "", text, flags=re.M) for text in scripts]
    (static / "book.js").write_text(";\n".join(["", *scripts]), encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", load_bundles, priority=990)
    app.connect("build-finished", write_bundles, priority=900)
