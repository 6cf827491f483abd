"""How long a chapter takes to read: prose by its words, and what is read more slowly, formulas and code, by itself.

The pace of prose is that of adults who read to understand, about 200 words a minute. Those of formulas and of code are
assumptions, on the slow side; nobody was timed. Code that the page folds away is not counted, nor are solutions, which
follow on work that takes as long as it takes.
"""

import re

WORDS_A_MINUTE = 200
SECONDS_A_FORMULA = 30  # one that is set apart; those within a line count as words
SECONDS_A_LINE = 4  # of code
LINES_INCLUDED = 15  # of the library, where a page shows a function of it

FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
SOLUTIONS = re.compile(
    r"^(?P<long>`{3,}|:{3,})\{solution-start\}.*?^(?P=long)\{solution-end\}\n(?P=long)"
    r"|^(?P<short>`{3,}|:{3,})\{solution\}.*?^(?P=short)$",
    re.DOTALL | re.MULTILINE,
)
CELL = re.compile(r"^(`{3,})\{code-cell\}[^\n]*\n(.*?)^\1$", re.DOTALL | re.MULTILINE)
FOLDED = re.compile(r"^:tags:.*(?:hide|remove)", re.MULTILINE)
FORMULA = re.compile(r"^\$\$$.*?^\$\$[^\n]*|^(`{3,})\{math\}.*?^\1$", re.DOTALL | re.MULTILINE)
INCLUDED = re.compile(r"^`{3,}\{literalinclude\}", re.MULTILINE)
OPTION = re.compile(r"^:[\w-]+:.*$", re.MULTILINE)


def minutes(source: str) -> float:
    """How long the text of a chapter, in MyST Markdown, takes to read."""
    text = SOLUTIONS.sub("", FRONT.sub("", source))
    shown = [body for _, body in CELL.findall(text) if not FOLDED.search(body)]
    lines = sum(bool(line.strip()) for body in shown for line in OPTION.sub("", body).splitlines())
    lines += LINES_INCLUDED * len(INCLUDED.findall(text))
    text = CELL.sub("", text)
    formulas = len(FORMULA.findall(text))
    words = len(OPTION.sub("", FORMULA.sub("", text)).split())
    return words / WORDS_A_MINUTE + (formulas * SECONDS_A_FORMULA + lines * SECONDS_A_LINE) / 60
