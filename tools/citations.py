"""Citations in notebooks, where no extension makes them: author, year and link, and a list of references."""

from pathlib import Path
from types import MappingProxyType

from pybtex.backends.markdown import Backend
from pybtex.database import Entry, Person, parse_file
from pybtex.plugin import find_plugin


class MarkdownBackend(Backend):
    """Markdown that also reads well unrendered: pybtex would put a backslash before every full stop."""

    symbols = MappingProxyType({**Backend.symbols, "newblock": " ", "ndash": "–"})

    def format_str(self, text: str) -> str:
        for special in "\\`*_[]<":
            text = text.replace(special, "\\" + special)
        return text


def surname(person: Person) -> str:
    return " ".join(str(name) for name in (*person.rich_prelast_names, *person.rich_last_names))


class Citations:
    """The book's bibliography, and which of its entries one chapter has cited so far."""

    def __init__(self, bibliography: Path) -> None:
        self.entries: dict[str, Entry] = dict(parse_file(str(bibliography), bib_format="bibtex").entries)
        self.cited: list[str] = []

    def short(self, key: str, textual: bool) -> str:
        """`McClelland et al., 1995`, or `McClelland et al. (1995)` where it is part of the sentence, as a link.

        Raises
        ------
        KeyError : the bibliography has no such key.
        """
        entry = self.entries[key]
        if key not in self.cited:
            self.cited.append(key)
        people = [surname(person) for person in entry.persons.get("author") or entry.persons.get("editor", [])]
        who = f"{people[0]} et al." if len(people) > 2 else " and ".join(people)
        text = f"{who} ({entry.fields['year']})" if textual else f"{who}, {entry.fields['year']}"
        address = self.address(key)
        return f"[{text}]({address})" if address else text

    def address(self, key: str) -> str:
        fields = self.entries[key].fields
        # A DOI may hold brackets, which would end a Markdown link.
        doi = fields.get("doi", "").replace("(", "%28").replace(")", "%29")
        return f"https://doi.org/{doi}" if doi else fields.get("url", "")

    def references(self) -> str:
        """What was cited, in the alphabetical order of authors, as a Markdown list; empty if nothing was."""
        style = find_plugin("pybtex.style.formatting", "unsrt")(sorting_style="author_year_title")
        formatted = style.format_entries(style.sort([self.entries[key] for key in self.cited])) if self.cited else []
        return "\n".join(f"- {entry.text.render(MarkdownBackend('utf-8'))}" for entry in formatted)
