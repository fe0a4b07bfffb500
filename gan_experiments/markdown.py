"""Writing Markdown: texts that show as they are, tables, links to files beside the page."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

_MARKS = re.compile(r"[\\`*\[\]|$~]|(?<!\w)_|_(?!\w)")
"""What Markdown reads: an underscore inside a word is none of it."""


class Written(str):
    """A text that is Markdown already."""

    __slots__ = ()


def escape(text: str) -> str:
    """Write a text so that Markdown shows it as it is, on one line; not for the beginning of a line."""
    found = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(_MARKS.sub(r"\\\g<0>", found).split())


def table_row(cells: Sequence[object]) -> str:
    """Write one row of a table."""
    texts = [cell if isinstance(cell, Written) else escape(str(cell)) for cell in cells]
    return f"| {' | '.join(texts)} |"


def table(heads: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    """Write a table; nothing for no rows."""
    return [table_row(heads), "|" + "---|" * len(heads), *map(table_row, rows), ""] if rows else []


def block(text: str, language: str = "") -> list[str]:
    """Write a text as code, whatever it holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", text, fence, ""]


def picture(path: Path, page: Path, says: str) -> str:
    """Write a picture by its place relative to the page."""
    place = quote(os.path.relpath(path, page.parent).encode("utf-8", "surrogateescape"), safe="/")
    return f"![{escape(says)}]({place})"
