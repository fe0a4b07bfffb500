"""Pages: one HTML file that holds all it shows, and opens from the disk without a network."""

import functools
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from gan_experiments.io import write_atomically
from gan_experiments.runs.manifest import now
from gan_experiments.types import UserError


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gan_experiments.reports"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A nan would be no JSON, and the page's scripts could not read it: whoever gives data writes None instead.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":"), "ensure_ascii": True}
    return environment


def render(template: str, **context: Any) -> str:
    """Fill a template that extends page.html; everything is escaped. Data must be finite: JSON knows no nan."""
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    version = importlib.metadata.version("gan_experiments")
    found = _environment().get_template(template)
    return found.render(plotly=Markup(get_plotlyjs()), version=version, made=now(), **context)


def write_text(target: Path, text: str) -> None:
    """Write a text whole or not at all; what no encoding knows (half of a surrogate pair in a name) becomes `?`.

    Raises:
        OSError: the directory cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, lambda file: file.write(text.encode("utf-8", "replace")))


def files(target: Path, beside: Sequence[str]) -> list[Path]:
    """Return the files of a page and of what goes beside it, by its suffixes.

    Raises:
        UserError: the name is not that of a page.
    """
    if target.suffix != ".html" or target.is_dir():
        raise UserError(f"{target} is no place for a page: name a file that ends in .html.")
    return [target, *map(target.with_suffix, beside)]


def check_place(path: Path, beginning: str, kind: str) -> None:
    """Make sure that a file, if there is one, may be written over: one of this kind, which has this beginning.

    Raises:
        UserError: it is something else.
        OSError: it cannot be read.
    """
    if not path.exists():
        return
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            if file.read(len(beginning)) == beginning:
                return
    raise UserError(f"{path} exists and is no {kind}: move it away, or name another place.")
