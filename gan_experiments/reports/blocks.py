"""Pages as data: sections made of blocks, rendered by `html`, `markdown` and `terminal`.

Every text in a block is plain text, from whomever it comes: each renderer escapes what its medium would interpret.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Block:
    """A part of a section."""

    @property
    def kind(self) -> str:
        """The name of its branch in the templates."""
        return type(self).__name__.lower()


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading of its own."""

    id: str
    title: str
    blocks: Sequence[Block]
    browser_only: bool = False  # there is nothing of it in Markdown and on a terminal


@dataclass(frozen=True)
class Text(Block):
    """A paragraph; its tone is `soft`, `note` or a run's state, its label stands in bold before it."""

    text: str
    tone: str = ""
    label: str = ""
    link: str = ""  # the id of the section that it leads to


@dataclass(frozen=True)
class Heading(Block):
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Facts(Block):
    """Names with short texts, or `wide` ones; nothing where there are none."""

    facts: Mapping[str, str]
    wide: bool = False


@dataclass(frozen=True)
class Bullets(Block):
    """A list of sentences; nothing where there are none."""

    items: Sequence[str]
    tone: str = ""


@dataclass(frozen=True)
class Code(Block):
    """A command, a file's content or an error, line by line as it is."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell with more than a text: what sorting reads, an interval's half-width, whether it is the column's best."""

    text: str
    number: float | None = None
    half: str = ""
    best: bool = False
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.text} ± {self.half}" if self.half else self.text


@dataclass(frozen=True)
class Table(Block):
    """A table; nothing where it has no rows.

    Args:
        columns: headings, each with a style of the words `number`, `code`, `wrap` (long texts), `first` (stays in
            sight), `sort` (its heading sorts), `descending` (first the largest), `state` (of a run), `page` (not on a
            terminal) and `screen` (in the browser alone).
        rows: cells are texts, numbers or `Cell`.
        style: `tall` (scrolls in a box), `measures` (numbers do not wrap on paper), `total` (of the last row).
    """

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[object]]
    style: str = ""

    def columns_without(self, *words: str) -> list[int]:
        """Return the positions of the columns whose style has none of the words."""
        return [at for at, (_, style) in enumerate(self.columns) if not set(words) & set(style.split())]


@dataclass(frozen=True)
class Picture:
    """A picture file, the words below it, and the pixels that an HTML page holds of it at most."""

    path: Path
    caption: str
    longest_side: int = 1200


@dataclass(frozen=True)
class Pictures(Block):
    """Pictures side by side: in the HTML page themselves, elsewhere as links to their files."""

    pictures: Sequence[Picture]
    large: bool = False


@dataclass(frozen=True)
class Details(Block):
    """Blocks behind a line that unfolds them; a terminal leaves them out unless everything is asked for."""

    summary: str
    blocks: Sequence[Block]
    opened: bool = False
    state: str = ""  # of the run that they are about
    id: str = ""


@dataclass(frozen=True)
class Choice(Block):
    """Blocks of which a menu shows one set at a time; elsewhere the first set."""

    label: str
    options: Sequence[tuple[str, Sequence[Block]]]


@dataclass(frozen=True)
class Widget(Block):
    """What moves in the browser, by templates/widgets/TEMPLATE.html and its data; elsewhere, the blocks of `static`."""

    template: str
    data: Callable[[], Mapping[str, Any]]
    static: Sequence[Block] = ()
