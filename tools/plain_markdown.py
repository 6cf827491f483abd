"""MyST Markdown turned into Markdown that Jupyter and Colab show as it was meant.

What has no counterpart there is refused with its file and line, so that no notebook ever shows a raw directive.
"""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import course
import live_parts
import self_check
from book_index import BookIndex, Target
from citations import Citations
from markdown_it import MarkdownIt
from myst_blocks import ADMONITIONS, Block, Place, parser, read
from sphinx.config import Config
from sphinx.directives.code import LiteralIncludeReader

# A code span, with a role before it or not; or a link. Code is matched so that nothing inside it is taken for markup.
INLINE = re.compile(
    r"(?<!\\)(?:\{(?P<role>[A-Za-z][\w:+-]*)\})?(?P<ticks>`+)(?P<text>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|(?<!!)\[(?P<label>[^\[\]]*)\]\((?P<address>[^()\s]+)\)",
    re.DOTALL,
)
INCLUDE_OPTIONS = ("pyobject", "lines", "start-at", "start-after", "end-at", "end-before")
CODE_ROLES = ("attr", "class", "code", "data", "exc", "func", "meth", "mod")


@dataclass
class Converter:
    """One chapter's text, converted piece by piece; it remembers what was cited."""

    page: str
    root: Path
    site: str
    blob: str
    index: BookIndex
    citations: Citations

    def convert(self, source: str, place: Place) -> str:
        """The plain Markdown for a piece of MyST Markdown that stands at a place."""
        return "\n\n".join(filter(None, (self.block(block) for block in read(source, place))))

    def block(self, block: Block) -> str:
        """The plain Markdown for one block."""
        if block.kind == "label":
            return ""
        if block.kind == "text":
            return self.text(block.body, block.place)
        if block.kind == "equation":
            return self.equation(block)
        convert: Callable[[Block], str] | None = {
            **dict.fromkeys((*ADMONITIONS, "admonition"), self.admonition),
            "chapter-times": self.times,
            "dropdown": self.dropdown,
            "exercise": self.exercise,
            "exercise-start": self.exercise,
            "figure": self.figure,
            "image": self.figure,
            "literalinclude": self.include,
            "live": self.live,
            "self-check": self.self_check,
            "solution": self.solution,
            "solution-start": self.solution,
            "table": self.table,
        }.get(block.name)
        if convert is None:
            raise block.place.error(f"{{{block.name}}} has no counterpart in a notebook: say it with other directives")
        return convert(block)

    # Blocks

    def equation(self, block: Block) -> str:
        tex = block.body
        if "\\\\" in tex and not tex.startswith("\\begin"):
            tex = f"\\begin{{aligned}}\n{tex}\n\\end{{aligned}}"
        if "label" in block.options:
            number = self.index.targets[block.options["label"]].text.strip("()")
            tex += f"\n\\tag{{{number}}}"
        return f"$$\n{tex}\n$$"

    def inside(self, block: Block) -> str:
        return self.convert(block.body, block.body_place or block.place)

    def admonition(self, block: Block) -> str:
        title, body = self.text(block.argument, block.place), self.inside(block)
        if block.name != "admonition":
            # What follows {note} on its line is no title but the beginning of the note.
            body = "\n\n".join(filter(None, (title, body)))
            title = "See also" if block.name == "seealso" else block.name.capitalize()
        if "dropdown" in block.options.get("class", "").split():
            return folded(title, body)
        quoted = "\n".join(f"> {line}".rstrip() for line in body.splitlines())
        return f"> **{title}**\n>\n{quoted}" if body else f"> **{title}**"

    def dropdown(self, block: Block) -> str:
        return folded(self.text(block.argument, block.place) or "More", self.inside(block))

    def times(self, block: Block) -> str:
        source = (self.root / f"{self.page}.md").read_text(encoding="utf-8")
        return f"Reading takes about {course.reading_minutes(source)} minutes."

    def exercise(self, block: Block) -> str:
        for option in ("nonumber", "hidden"):
            if option in block.options:
                raise block.place.error(f"an exercise with :{option}: would be counted otherwise than in the book")
        target = self.target(block.options.get("label", ""), block.place)
        title = f"{target.text}: {self.text(block.argument, block.place)}" if block.argument else target.text
        return "\n\n".join(filter(None, (f"**{title}**", self.inside(block))))

    def solution(self, block: Block) -> str:
        return folded(self.solution_title(block), self.inside(block))

    def exercise_title(self, solution: Block) -> str:
        """The exercise that a solution is of, as the book numbers it."""
        return self.target(solution.argument, solution.place).text

    def solution_title(self, block: Block) -> str:
        return f"Solution to {self.exercise_title(block)}"

    def live(self, block: Block) -> str:
        """A link to the page, where the part computes."""
        if block.argument not in live_parts.TITLES:
            raise block.place.error(f"there is no live part {block.argument!r}")
        address = f"{self.site}{self.page}.html#live-{block.argument}"
        return f"**{live_parts.TITLES[block.argument]}**: a network that learns on [this chapter's page]({address})."

    def self_check(self, block: Block) -> str:
        """The question, and each answer folded over its verdict and its explanation."""
        body = block.body_place or block.place
        try:
            answers = self_check.read(block.argument, block.body.splitlines())
        except self_check.SelfCheckError as error:
            raise body.later(error.line).error(str(error)) from error
        parts = [f"**Check yourself.** {self.text(block.argument, block.place)}"]
        for answer in answers:
            mark, word = self_check.VERDICTS[answer.right]
            verdict = f'<span role="img" aria-label="{word}">{mark}</span>'
            why = self.convert(answer.why, body.later(answer.why_line))
            parts.append(folded(self.text(answer.text, body.later(answer.line)), f"{verdict} {why}", bold=False))
        return "\n\n".join(parts)

    def figure(self, block: Block) -> str:
        alt = block.options.get("alt", "").strip()
        if not alt:
            raise block.place.error(f"{{{block.name}}} {block.argument} needs :alt:, saying what it shows")
        if not (self.folder / block.argument).is_file():
            raise block.place.error(f"there is no file {block.argument} beside this chapter")
        image = f"![{alt}]({self.site}_images/{posixpath.basename(block.argument)})"
        if block.name == "image":
            return image
        name = self.index.targets[block.options["name"]].text if "name" in block.options else "Figure"
        return "\n\n".join(filter(None, (image, f"**{name}.** {self.inside(block)}".strip())))

    def table(self, block: Block) -> str:
        """A table below its caption."""
        return f"**{self.text(block.argument, block.place)}**\n\n{self.inside(block)}"

    def include(self, block: Block) -> str:
        """The included lines themselves, read as Sphinx reads them for the book."""
        options: dict[str, Any] = {name: block.options[name] for name in INCLUDE_OPTIONS if name in block.options}
        if "dedent" in block.options:
            options["dedent"] = int(block.options["dedent"]) if block.options["dedent"] else None
        config = Config(overrides={"source_encoding": "utf-8"})
        reader = LiteralIncludeReader(str(self.folder / block.argument), options, config)
        try:
            code, _ = reader.read()
        except (OSError, ValueError) as error:
            raise block.place.error(f"{{literalinclude}}: {error}") from error
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.page), block.argument))
        fenced = f"```{block.options.get('language', 'python')}\n{code.rstrip()}\n```"
        return f"From [`{path}`]({self.blob}/{path}):\n\n{fenced}"

    # What stands in a line

    def text(self, source: str, place: Place) -> str:
        """Text without directives: its roles and links replaced."""

        def replaced(match: re.Match[str]) -> str:
            here = place.later(source.count("\n", 0, match.start()))
            if match["role"]:
                return self.role(match["role"], " ".join(match["text"].split()), here)
            if match["address"]:
                return self.link(match["label"], match["address"], here)
            return match[0]

        lines = "\n".join(line for line in source.splitlines() if not line.startswith("% "))
        plain = outside_fences(lines, lambda part: INLINE.sub(replaced, part))
        unread = re.search(r"^ *(`{3,}|:{3,})\{.*", plain, re.MULTILINE)
        if unread:
            raise place.error(
                f"{unread[0].strip()} could not be read: with backticks in its first line, fence it with :::"
            )
        left = [child for token in parser().parse(plain) for child in token.children or () if child.type == "myst_role"]
        if left:
            raise place.error(
                f"the role {{{left[0].meta['name']}}} stands where it cannot be replaced: take it out of the link"
            )
        return plain

    def role(self, role: str, text: str, place: Place) -> str:
        """What a role says, in plain Markdown."""
        if role in ("cite", "cite:p", "cite:t", "cite:ps", "cite:ts"):
            return self.cite(text, role.startswith("cite:t"), place)
        if role == "math":
            return f"${text}$"
        name = role.removeprefix("py:")
        if name in CODE_ROLES:
            return f"`{text.rpartition('.')[2] if text.startswith('~') else text}`"
        explicit = re.fullmatch(r"(.+?)\s*<([^<>]+)>", text)
        shown, label = (explicit[1], explicit[2]) if explicit else ("", text)
        if role == "term":
            if label.lower() not in self.index.terms:
                raise place.error(f"the glossary has no term {label!r}")
            term = self.index.terms[label.lower()]
            return f"[*{shown or label}*]({self.site}{term.page}.html#{term.anchor})"
        if role == "doc":
            page = label.lstrip("/") if label.startswith("/") else posixpath.join(posixpath.dirname(self.page), label)
            return self.page_link(shown, posixpath.normpath(page), "", place)
        if role in ("ref", "numref", "eq"):
            target = self.target(label, place)
            number = target.text.split()[-1] if target.text else ""
            return self.target_link(shown.replace("%s", number).replace("{number}", number), label, place)
        raise place.error(f"the role {{{role}}} has no counterpart in a notebook")

    def cite(self, keys: str, textual: bool, place: Place) -> str:
        cited = []
        for key in (key.strip() for key in keys.split(",")):
            if key not in self.citations.entries:
                raise place.error(f"book/references.bib has no entry {key!r}")
            cited.append(self.citations.short(key, textual))
        return ", ".join(cited) if textual else f"({'; '.join(cited)})"

    def link(self, text: str, address: str, place: Place) -> str:
        """A link, which in a notebook leads to the published page, or to the file in the repository."""
        if re.match(r"[a-z]+:", address):
            return f"[{text}]({address})"
        path, _, anchor = address.partition("#")
        if not path:
            return self.target_link(text, anchor, place)
        page = posixpath.normpath(posixpath.join(posixpath.dirname(self.page), path))
        if page.endswith((".md", ".ipynb")):
            return self.page_link(text, page.rsplit(".", 1)[0], anchor, place)
        if not (self.root / page).exists():
            raise place.error(f"there is no file {path}, to which [{text}] leads")
        return f"[{text or path}]({self.blob}/{page})"

    def page_link(self, text: str, page: str, anchor: str, place: Place) -> str:
        if page not in self.index.titles:
            raise place.error(f"the book has no page {page}")
        return f"[{text or self.index.titles[page]}]({self.site}{page}.html{'#' + anchor if anchor else ''})"

    def target_link(self, text: str, label: str, place: Place) -> str:
        target = self.target(label, place)
        if not (text or target.text):
            raise place.error(f"the label {label!r} stands before no heading: write `text <{label}>`")
        numbered = re.search(r"\d\)?$", target.text)
        if target.page == self.page and numbered:
            return text or target.text
        return f"[{text or target.text}]({self.site}{target.page}.html#{target.anchor})"

    def target(self, label: str, place: Place) -> Target:
        if label not in self.index.targets:
            raise place.error(f"no page has a label {label!r}" if label else "a :label: is missing")
        return self.index.targets[label]

    @property
    def folder(self) -> Path:
        return self.root / posixpath.dirname(self.page)


def folded(title: str, body: str, bold: bool = True) -> str:
    """A part that opens when its title is clicked: the title is HTML, the body Markdown thanks to the empty lines."""
    shown = MarkdownIt().renderInline(title)
    return f"<details>\n<summary>{f'<b>{shown}</b>' if bold else shown}</summary>\n\n{body}\n\n</details>"


def outside_fences(source: str, change: Callable[[str], str]) -> str:
    """The text with a change made everywhere but in fenced code."""
    parts, done, lines = [], 0, source.splitlines(keepends=True)
    for token in parser().parse(source):
        if token.type == "fence" and token.map:
            parts += [change("".join(lines[done : token.map[0]])), "".join(lines[token.map[0] : token.map[1]])]
            done = token.map[1]
    return "".join(parts) + change("".join(lines[done:]))
