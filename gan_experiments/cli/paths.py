"""Where verbs write."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gan_experiments.types import UserError


def check_file(path: Path, force: bool) -> Path:
    """Make sure that `new_file` could give this file, before what takes long; gives its absolute path.

    Raises:
        UserError: it is there already, or cannot be made.
    """
    path = path.expanduser().absolute()
    with writing(path):
        if path.is_dir():
            raise UserError(f"{path} is a directory: name a file with -o.")
        if path.exists() and not force:
            raise UserError(f"{path} exists: name another with -o, or overwrite it with --force.")
        _try(path)
    return path


def new_file(path: Path, force: bool) -> Path:
    """Return the absolute path of a file to be written, and make its directory.

    Raises:
        UserError: it is there already, or cannot be made.
    """
    path = check_file(path, force)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def check_directory(path: Path, force: bool | None) -> None:
    """Make sure that `new_directory` could write there, before what takes long; nothing is made.

    `force` is None for a verb that has no such option.

    Raises:
        UserError: there is something at `path` already, or it cannot be made.
    """
    path = path.expanduser().absolute()
    with writing(path):
        if path.exists() and not path.is_dir():
            raise UserError(f"{path} is a file: name a directory with -o.")
        if path.is_dir() and any(path.iterdir()) and not force:
            forcing = "" if force is None else ", or write into it with --force"
            raise UserError(f"{path} exists and is not empty: name another with -o{forcing}.")
        _try(path)


@contextlib.contextmanager
def new_directory(path: Path, force: bool) -> Iterator[Path]:
    """Return an empty directory, whose content is moved to `path` in the end; a failure leaves `path` as it was.

    With `force`, files of the same names are replaced and all others stay.

    Raises:
        UserError: there is something at `path` already, or it cannot be made.
    """
    check_directory(path, force)
    path = path.expanduser().absolute()
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
