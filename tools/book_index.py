"""What chapters can refer to: the pages' titles, and every label with its page and its number."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import course
from myst_blocks import Block, Place, read


@dataclass(frozen=True)
class Target:
    """What a label stands for: the page (as Sphinx names it), the anchor there, and what the book calls it."""

    page: str
    anchor: str
    text: str


@dataclass
class BookIndex:
    """The labels and titles of all pages, numbered as the book numbers them."""

    root: Path
    titles: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    terms: dict[str, Target] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        """Read a page. Chapters count their exercises, equations and figures; other pages have no numbers."""
        page = path.relative_to(self.root).with_suffix("").as_posix()
        chapter = course.chapter_number(page)
        counts = {"Exercise": 0, "Fig.": 0, "equation": 0}
        waiting: list[str] = []

        def numbered(kind: str) -> str:
            counts[kind] += 1
            return f"{chapter}.{counts[kind]}" if chapter is not None else str(counts[kind])

        def label(name: str, anchor: str, text: str) -> None:
            self.targets[name] = Target(page, anchor, text)

        def visit(block: Block) -> None:
            labelled = block.options.get("label", "")
            if block.kind == "label":
                waiting.append(block.body)
                return
            if block.kind == "text":
                heading = re.match(r"#+ +(.+?) *$", block.body, re.MULTILINE)
                for name in waiting:
                    label(name, name.lower().replace("_", "-"), heading[1] if heading else "")
                top = re.search(r"^# +(.+?) *$", block.body, re.MULTILINE)
                if top:
                    self.titles.setdefault(page, top[1])
            elif block.kind == "equation" and labelled:
                label(labelled, f"equation-{labelled}", f"({numbered('equation')})")
            elif block.name in ("exercise", "exercise-start"):
                label(labelled, labelled, f"Exercise {numbered('Exercise')}")
            elif block.name in ("code-cell", "table") and (name := labelled or block.options.get("name", "")):
                # What a cell shows is numbered when the book is built; elsewhere it is called by its caption.
                label(
                    name, name, (block.options.get("caption") or block.argument or "a figure of the book").rstrip(".")
                )
            elif block.name == "figure":
                number = numbered("Fig.")
                if "name" in block.options:
                    label(block.options["name"], block.options["name"], f"Fig. {number}")
            waiting.clear()
            for inner in block.blocks():
                visit(inner)

        for block in read(path.read_text(encoding="utf-8"), Place(path.relative_to(self.root), 1)):
            visit(block)


def index(root: Path) -> BookIndex:
    """The index of the book in a folder. Of pages that are no chapters, and become no notebook, only headings count."""
    book = BookIndex(root)
    for path in course.chapters(root):
        book.add(path)
    for path in sorted(root.glob("book/*.md")):
        title = re.search(r"^# +(.+?) *$", path.read_text(encoding="utf-8"), re.MULTILINE)
        page = path.relative_to(root).with_suffix("").as_posix()
        book.titles[page] = title[1] if title else path.stem
        for label, heading in re.findall(r"^\((.+)\)=\n+#+ +(.+?) *$", path.read_text(encoding="utf-8"), re.MULTILINE):
            book.targets[label] = Target(page, label.lower().replace("_", "-"), heading)
        for entries in re.findall(
            r"^[:`]{3,}\{glossary\}\n(.*?)^[:`]{3,}$", path.read_text(encoding="utf-8"), re.M | re.S
        ):
            for term in re.findall(r"^\S.*$", entries, re.M):
                anchor = "term-" + re.sub(r"[^\w.-]+", "-", term.strip())
                book.terms[term.strip().lower()] = Target(page, anchor, term.strip())
    return book
