"""The HTML renderer: one file that holds all it shows, and opens from the disk without a network."""

import contextlib
import functools
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from gan_experiments.formatting import encodable
from gan_experiments.io import write_atomically
from gan_experiments.reports.blocks import Block, Picture, Pictures, Section
from gan_experiments.reports.charts import PALETTE
from gan_experiments.reports.images import EmbeddedPicture, read_picture
from gan_experiments.runs.manifest import now
from gan_experiments.types import UserError

PICTURES_BUDGET = 8_000_000
"""Characters of the pictures of one page, besides those of widgets."""


@functools.cache
def environment() -> Environment:
    """Return the templates' environment: autoescaped HTML, and Markdown that escapes by its own filter."""
    made = Environment(
        loader=PackageLoader("gan_experiments.reports"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: encodable(value) if type(value) is str else value,
    )
    # A nan would be no JSON, and the page's scripts could not read it: widgets write None instead.
    made.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":"), "ensure_ascii": True}
    return made


def render(title: str, head: Sequence[Block], sections: Sequence[Section], kind: str, scripts: Sequence[str]) -> str:
    """Render a page, with links to its sections at the top.

    Args:
        title: the page's heading.
        head: blocks below it.
        sections: what it consists of.
        kind: `report` or `comparison`, by which the file is known when it is to be overwritten.
        scripts: templates of JavaScript that move its widgets.
    """
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    left = PICTURES_BUDGET

    def embed(block: Pictures) -> list[tuple[Picture, EmbeddedPicture]]:
        """Return the pictures that can be read, as long as there is room."""
        nonlocal left
        embedded = []
        for picture in block.pictures:
            with contextlib.suppress(OSError):  # it has vanished, or is half a picture
                content = read_picture(picture.path, picture.longest_side)
                if len(content.uri) <= left:
                    left -= len(content.uri)
                    embedded.append((picture, content))
        return embedded

    context: dict[str, Any] = {
        "title": title, "head": head, "sections": sections, "kind": kind, "scripts": scripts, "palette": PALETTE,
        "embed": embed, "plotly": Markup(get_plotlyjs()), "made": now(),
        "version": importlib.metadata.version("gan_experiments"),
    }  # fmt: skip
    return environment().get_template("page.html").render(context)


def write_text(target: Path, text: str) -> None:
    """Write a text whole or not at all; what no encoding knows (half of a surrogate pair in a name) becomes `?`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, lambda file: file.write(text.encode("utf-8", "replace")))


def files(target: Path, *suffixes: str) -> list[Path]:
    """Return the files of a page: itself, and one beside it for each suffix."""
    if target.suffix != ".html" or target.is_dir():
        raise UserError(f"{target} is not the name of a page: name a file that ends in .html.")
    return [target, *map(target.with_suffix, suffixes)]


def check_overwrite(path: Path, beginning: str, kind: str) -> None:
    """Make sure that a file, if there is one, may be overwritten: one of this kind, known by its beginning."""
    if not path.exists():
        return
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            if file.read(len(beginning)) == beginning:
                return
    raise UserError(f"{path} exists and is not a {kind}: move it away, or name another file.")
