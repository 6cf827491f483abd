"""A page of the built site, as other editions are made of it."""

import re
from dataclasses import dataclass

from bs4 import Tag


@dataclass(frozen=True)
class Page:
    """A page of the site: its name as Sphinx has it, its title, its text, and where its styles are from the root."""

    name: str
    title: str
    article: Tag
    styles: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        return re.sub(r"\W+", "-", self.name)
