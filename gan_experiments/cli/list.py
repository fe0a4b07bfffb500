"""`list`."""

import textwrap
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Annotated

import typer

from gan_experiments.config.suggestions import CONFIG_DIR, suggest
from gan_experiments.formatting import print_json, print_table, say
from gan_experiments.types import UserError

EXPERIMENTS = "experiment"


def list_parts(
    group: Annotated[str, typer.Argument(help="A config group, such as loss or loss/term.")] = EXPERIMENTS,
    config_dir: Annotated[
        list[Path] | None, typer.Option(help="A directory of configs of your own, listed too; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """List experiments, or the parts of a config group, with what their yaml says of them."""
    directories = [CONFIG_DIR, *(path.expanduser() for path in config_dir or [])]
    for directory in directories[1:]:
        if not directory.is_dir():
            raise UserError(f"--config-dir {directory} is no directory.")
    groups = sorted({name for directory in directories for name in _groups(directory)})
    group = group.strip("/")
    if group not in groups:
        raise UserError(f"there is no config group {group!r}{suggest(group, groups)}")
    found: dict[str, tuple[str, Path]] = {}
    for directory in directories:
        for path in sorted((directory / group).glob("*.yaml")):
            found.setdefault(path.stem, (comment(path), path))  # as Hydra: the first directory's
    if as_json:
        print_json({name: {"about": about, "path": str(path)} for name, (about, path) in found.items()})
        return
    print_table([group, ""], [[name, about] for name, (about, _) in found.items()])
    if group == EXPERIMENTS:
        say("Run one:   python -m gan_experiments +experiment=NAME")
        say("Its parts: gan-experiments list GROUP, of which there are:")
        for line in textwrap.wrap(", ".join(name for name in groups if name != EXPERIMENTS), 76):
            say(f"  {line}")


def _groups(directory: Path) -> set[str]:
    return {path.parent.relative_to(directory).as_posix() for path in directory.rglob("*/*.yaml")}


def comment(path: Path) -> str:
    """Return the comment at the top of a yaml as one line, without Hydra's own `@package`."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    comments = takewhile(lambda line: not line.strip() or line.startswith("#"), lines)
    words = (line.lstrip("#").strip() for line in comments)
    paragraph = dropwhile(lambda text: not text, (text for text in words if not text.startswith("@package")))
    return " ".join(takewhile(bool, paragraph))
