"""The book's own directives: `{chapter-times}`, `{check}`, and `{self-check}`, whose answers open without JavaScript.

And its role `{colab}`, a link that opens a notebook of the repository in Colab.
"""

from pathlib import Path
from typing import Any

import course
import live
import self_check
from docutils import nodes
from docutils.statemachine import StringList
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

logger = logging.getLogger(__name__)


class ChapterTimes(SphinxDirective):
    """`{chapter-times}`: how long the chapter takes to read, and how long its cells took to run for this page."""

    def run(self) -> list[nodes.Node]:
        source = Path(self.env.doc2path(self.env.docname)).read_text(encoding="utf-8")
        text = f"Reading takes about {course.reading_minutes(source)} minutes"
        return [nodes.paragraph("", text, classes=["chapter-times"])]


def add_running_time(app: Sphinx, doctree: nodes.document) -> None:
    """Complete `{chapter-times}` once the chapter's cells have run, or were found in the cache with their time."""
    executed = NbMetadataCollector.get_exec_data(app.env, app.env.docname)
    seconds = executed["runtime"] if executed else None
    for times in doctree.findall(nodes.paragraph):
        if "chapter-times" in times["classes"]:
            took = f"{seconds:.0f} seconds" if seconds and seconds < 120 else f"{(seconds or 0) / 60:.0f} minutes"
            times += nodes.Text(f"; running all of it took {took} when this page was built." if seconds else ".")


class Answer(nodes.Element):
    """An answer of a self-check: what is to be chosen, a `summary`, and what is seen once it is."""


class AnswerText(nodes.TextElement):
    """What is to be chosen."""


def open_answer(self: Any, node: Answer) -> None:
    self.body.append(self.starttag(node, "details"))


def close_answer(self: Any, node: Answer) -> None:
    self.body.append("</details>\n")


def open_answer_text(self: Any, node: AnswerText) -> None:
    self.body.append(self.starttag(node, "summary", ""))


def close_answer_text(self: Any, node: AnswerText) -> None:
    self.body.append("</summary>\n")


class SelfCheck(SphinxDirective):
    """`{self-check}` question: answers that say, when they are chosen, whether they are right and why."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        question = self.arguments[0]
        try:
            answers = self_check.read(question, list(self.content))
        except self_check.SelfCheckError as error:
            place = (self.env.docname, self.lineno + self.content_offset + error.line + 1)
            logger.warning("%s", error, location=place)
            return []
        asked = nodes.paragraph("", "", *self.inline(question, 0), classes=["question"])
        listed = nodes.bullet_list("", *(nodes.list_item("", self.answer(answer)) for answer in answers))
        return [nodes.container("", asked, listed, classes=["self-check"])]

    def answer(self, answer: self_check.Answer) -> Answer:
        mark, word = self_check.VERDICTS[answer.right]
        why = self.blocks(answer.why, answer.why_line)
        verdict = f'<span class="verdict" role="img" aria-label="{word}">{mark}</span> '
        first = next((node for node in why if isinstance(node, nodes.paragraph)), None)
        if first is None:
            first = nodes.paragraph()
            why.insert(0, first)
        first.insert(0, nodes.raw("", verdict, format="html"))
        return Answer("", AnswerText("", "", *self.inline(answer.text, answer.line)), *why,
                      classes=["right" if answer.right else "wrong"])  # fmt: skip

    def blocks(self, text: str, line: int) -> list[nodes.Node]:
        """Markdown that begins on a line of the directive's body, read."""
        holder = nodes.Element()
        lines = StringList(text.splitlines(), self.env.docname)
        self.state.nested_parse(lines, self.content_offset + line, holder)
        return holder.children

    def inline(self, text: str, line: int) -> list[nodes.Node]:
        return [node for block in self.blocks(text, line) for node in block.children]


class Check(SphinxDirective):
    """`{check}` label: the answer to an exercise, which the notebook checks; on the page there is nothing to see."""

    has_content = True
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return []


class ColabRole(SphinxRole):
    """`{colab}`: words <path/to/notebook.ipynb>, a path from the repository's root."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        words, _, path = self.text.rstrip(">").rpartition(" <")
        if not Path(self.env.srcdir, path).is_file():
            logger.warning("there is no notebook %r that {colab} could open", path, location=self.get_location())
        repository = course.settings(Path(self.env.srcdir))["repository"]
        url = course.address(Path(self.env.srcdir), repository["url"])
        if course.is_placeholder(url):
            return [nodes.Text(words)], []  # as pages then have no launch buttons
        return [nodes.reference("", words, refuri=course.colab(url, repository["branch"], path))], []


def setup(app: Sphinx) -> None:
    app.add_role("colab", ColabRole())
    app.add_directive("chapter-times", ChapterTimes)
    app.add_directive("check", Check)
    app.add_directive("self-check", SelfCheck)
    app.add_node(Answer, html=(open_answer, close_answer))
    app.add_node(AnswerText, html=(open_answer_text, close_answer_text))
    app.connect("doctree-read", add_running_time)
    live.setup(app)
