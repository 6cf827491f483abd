"""A chapter's MyST Markdown as a list of blocks: text, directives, displayed equations and labels."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin
from mdit_py_plugins.myst_role import myst_role_plugin

# Directives whose body is Markdown: it may hold other directives.
ADMONITIONS = ("attention", "caution", "danger", "hint", "important", "note", "seealso", "tip", "warning")
HOLD_MARKDOWN = (*ADMONITIONS, "admonition", "dropdown", "exercise", "solution")
BLOCK_TOKENS = (
    "amsmath",
    "front_matter",
    "math_block",
    "math_block_label",
    "myst_block_break",
    "myst_line_comment",
    "myst_target",
)


class ChapterError(Exception):
    """What a chapter says that its notebook cannot: one line with the file, the line, and what to do."""


@dataclass(frozen=True)
class Place:
    """Where a piece of text stands, for messages."""

    path: Path
    line: int

    def error(self, message: str) -> ChapterError:
        return ChapterError(f"{self.path}:{self.line}: {message}")

    def later(self, lines: int) -> "Place":
        return Place(self.path, self.line + lines)


@dataclass(frozen=True)
class Block:
    """One block. `kind` is text, directive, equation or label; `body` is its text, TeX, or the label itself."""

    kind: str
    place: Place
    body: str
    name: str = ""
    argument: str = ""
    options: dict[str, str] = field(default_factory=dict)
    body_place: Place | None = None

    def blocks(self) -> list["Block"]:
        """The blocks inside a directive that holds Markdown."""
        return read(self.body, self.body_place or self.place) if self.name in HOLD_MARKDOWN else []


def parser() -> MarkdownIt:
    """Markdown as the book reads it (parse.myst_enable_extensions in _config.yml)."""
    markdown = MarkdownIt("commonmark").enable(["table"])
    for plugin in (front_matter_plugin, myst_block_plugin, myst_role_plugin, colon_fence_plugin, amsmath_plugin):
        markdown.use(plugin)
    return markdown.use(dollarmath_plugin).use(deflist_plugin).use(footnote_plugin)


def read(source: str, place: Place) -> list[Block]:
    """The blocks of a text that starts at a place."""
    lines = source.splitlines()
    blocks: list[Block] = []
    done = 0

    def text_until(line: int) -> None:
        text = "\n".join(lines[done:line]).strip("\n")
        if text.strip():
            skipped = next(index for index in range(done, line) if lines[index].strip()) if line > done else done
            blocks.append(Block("text", place.later(skipped), text))

    for token in parser().parse(source):
        here = place.later(token.map[0] if token.map else 0)
        if token.type == "dl_open":
            raise here.error("a definition list, which Jupyter does not show: use a list or a table")
        if token.type == "footnote_block_open":
            note = next(number for number, line in enumerate(lines) if re.match(r" *\[\^", line))
            raise place.later(note).error("a footnote, which Jupyter does not show: say it in the text or in a {note}")
        directive = token.type in ("fence", "colon_fence") and token.info.strip().startswith("{")
        if directive and token.level:
            raise here.error(f"{token.info.strip()} inside a list or a quotation: give it a paragraph of its own")
        special = directive or token.type in BLOCK_TOKENS
        if token.map and special and not token.level:
            text_until(token.map[0])
            # The amsmath plugin leaves the environment's last line out of its map.
            done = max(token.map[1], token.map[0] + len(token.content.strip("\n").splitlines()))
            blocks.extend(block(token, here))
    text_until(len(lines))
    return blocks


def block(token: Token, place: Place) -> Iterator[Block]:
    """The block a token stands for; none for front matter and comments."""
    if token.type == "myst_target":
        yield Block("label", place, token.content)
    elif token.type in ("math_block", "math_block_label"):
        yield Block("equation", place, token.content.strip(), options={"label": token.info} if token.info else {})
    elif token.type == "amsmath":
        if not re.match(r"\s*\\begin\{\w+\*\}", token.content):
            raise place.error("an environment that numbers itself: use its starred form, or {math} with a :label:")
        yield Block("equation", place, token.content.strip())
    elif token.type in ("fence", "colon_fence"):
        yield directive(token, place)


def directive(token: Token, place: Place) -> Block:
    """The directive in a fenced block: `{name} argument`, its options, its body."""
    opened = re.fullmatch(r"\{([\w:-]+)\}\s*(.*)", token.info.strip())
    if not opened:
        raise place.error(f"{token.info.strip()!r} is no directive: write {{name}} argument")
    lines = token.content.splitlines()
    options: dict[str, str] = {}
    taken = 0
    if lines and lines[0].strip() == "---" and "---" in [line.strip() for line in lines[1:]]:
        taken = 2 + [line.strip() for line in lines[1:]].index("---")
        read_options = yaml.safe_load("\n".join(lines[1 : taken - 1])) or {}
        options = {name: str(value) for name, value in read_options.items()}
    else:
        for line in lines:
            option = re.fullmatch(r":([\w-]+):\s*(.*)", line.strip())
            if not option:
                break
            options[option[1]] = option[2]
            taken += 1
    body = "\n".join(lines[taken:])
    name, argument = opened[1], opened[2]
    if name == "math":
        return Block("equation", place, body.strip() or argument, options=options)
    return Block("directive", place, body, name, argument, options, place.later(1 + taken))
