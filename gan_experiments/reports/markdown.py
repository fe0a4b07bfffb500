"""The Markdown renderer, with links to the pictures of the runs."""

import functools
import html
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment

from gan_experiments.reports.blocks import Block, Section

_MARKS = re.compile(r"[\\`*\[\]|$~]|(?<!\w)_|_(?!\w)")
"""What Markdown interprets; an underscore inside a word is not among it."""


def escape(text: object) -> str:
    """Write a text so that Markdown shows it as it is, on one line; not for the beginning of a line."""
    return " ".join(_MARKS.sub(r"\\\g<0>", html.escape(str(text), quote=False)).split())


def fence(text: str) -> str:
    """Return backticks that enclose a text as code, whatever it holds."""
    return "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))


def link(path: Path, page: Path) -> str:
    """Return the address of a file relative to the page."""
    return quote(os.path.relpath(path, page.parent).encode("utf-8", "surrogateescape"), safe="/")


@functools.cache
def _environment() -> Environment:
    from gan_experiments.reports.html import environment

    made = environment().overlay()
    made.filters |= {"md": escape, "fence": fence, "link": link}
    return made


def render(title: str, head: Sequence[Block], sections: Sequence[Section], page: Path, first_line: str = "") -> str:
    """Render a page that links to pictures from the file `page`; `first_line` stands above the title as it is."""
    template = _environment().get_template("page.md")
    static = [section for section in sections if not section.browser_only]
    text = template.render(title=title, head=head, sections=static, page=page, first_line=first_line)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
