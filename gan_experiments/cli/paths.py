"""Which runs verbs read, and where they write."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from gan_experiments.types import UserError

RUNS = "Runs, sweeps, directories above them, or patterns"
RunPaths = Annotated[list[Path], typer.Argument(help=f"{RUNS} such as 'outputs/*/*'.")]
RunPathsOrAll = Annotated[list[str] | None, typer.Argument(help=f"{RUNS}. Left out: outputs/")]


def check_file(path: Path, force: bool) -> Path:
    """Make sure that `new_file` could make this file, before what takes long; return its absolute path."""
    path = path.expanduser().absolute()
    with writing(path):
        if path.is_dir():
            raise UserError(f"{path} is a directory: name a file with -o.")
        if path.exists() and not force:
            raise UserError(f"{path} exists: name another with -o, or overwrite it with --force.")
        _try(path)
    return path


def new_file(path: Path, force: bool) -> Path:
    """Return the absolute path of a file to be written, and make its directory."""
    path = check_file(path, force)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def check_directory(path: Path, force: bool | None) -> Path:
    """Make sure that `new_directory` could write there, before what takes long; return its absolute path.

    `force` is None for a verb that has no such option.
    """
    path = path.expanduser().absolute()
    with writing(path):
        if path.exists() and not path.is_dir():
            raise UserError(f"{path} is a file: name a directory with -o.")
        if path.is_dir() and any(path.iterdir()) and not force:
            forcing = "" if force is None else ", or write into it with --force"
            raise UserError(f"{path} exists and is not empty: name another with -o{forcing}.")
        _try(path)
    return path


@contextlib.contextmanager
def new_directory(path: Path, force: bool) -> Iterator[Path]:
    """Return an empty directory, whose content is moved to `path` in the end; a failure leaves `path` as it was.

    With `force`, files of the same names are replaced and all others stay.
    """
    path = check_directory(path, force)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=path.parent) as name:
            made = Path(name)
            yield made
            for file in sorted(made.rglob("*")):
                target = path / file.relative_to(made)
                if file.is_file():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(target)


def _try(path: Path) -> None:
    """Write beside where `path` is to be, and into it where it is a directory, and remove that again."""
    nearest = next((place for place in path.parents if place.exists()), path)
    for place in [nearest, path] if path.is_dir() else [nearest]:
        with tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=place):
            pass


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Return what goes wrong in writing to `path` as a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error}. Name another place with -o.") from error
