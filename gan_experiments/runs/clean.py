"""What can be deleted of finished and failed runs, and of caches. Imports no torch."""

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gan_experiments.runs.run import RUN_FILES, Run, locked

OLD_CHECKPOINT = re.compile(r"iteration_\d{9}\.pt|diverged\.pt|\..+\.pt\.[0-9a-f]{8}\.partial")
CACHED = re.compile(r"features-.+-[0-9a-f]{16}\.(safetensors|lock)|anchors-[0-9a-f]{16}\.json")
"""What measuring makes again to the bit; a trained extractor is not among it: other weights are another protocol."""


@dataclass(frozen=True)
class Removal:
    """A file, or a whole run directory, that can be deleted."""

    path: Path
    num_bytes: int
    reason: str
    run: Path | None  # None: of a cache


def removable(record: Run) -> list[Removal]:
    """Return what can be deleted of a run; nothing of one that is running, interrupted, or cannot be read."""
    directory = record.directory
    if record.state == "finished":
        return [
            Removal(path, _num_bytes(path), "old checkpoint of a finished run", directory)
            for path in _old_checkpoints(record)
        ]
    if record.state == "failed" and not any((directory / "checkpoints").glob("*.pt")):
        entries = list(_entries(directory))
        if all(path.name in RUN_FILES and not path.is_symlink() for path in entries):
            return [Removal(directory, _num_bytes(directory), "failed before its first checkpoint", directory)]
    return []


def _old_checkpoints(run: Run) -> list[Path]:
    """Return all but the newest that is whole, what is newer than it, and best.pt; nothing where none is whole."""
    directory = run.directory / "checkpoints"
    whole = [path for path in run.whole_checkpoints if not path.is_symlink()]
    if not whole or directory.is_symlink():
        return []
    numbered = sorted(directory.glob("iteration_*.pt"))
    kept = numbered[numbered.index(whole[-1]) :]
    files = [path for path in _entries(directory) if path.is_file() and not path.is_symlink()]
    return sorted(path for path in files if OLD_CHECKPOINT.fullmatch(path.name) and path not in kept)


def cached_files(directory: Path) -> list[Removal]:
    """Return the files of a cache directory that measuring has written, and would write again."""
    return [
        Removal(path, _num_bytes(path), "can be measured again", None)
        for path in sorted(_entries(directory))
        if CACHED.fullmatch(path.name) and path.is_file() and not path.is_symlink()
    ]


def remove(planned: Iterable[Removal]) -> Iterator[tuple[Removal, str]]:
    """Delete what was planned, as far as it still can be; give each with what prevented it, or an empty string.

    A run is held while it is looked at again and deleted from, so that it cannot be resumed meanwhile.
    """
    by_run: dict[Path | None, list[Removal]] = {}
    for removal in planned:
        by_run.setdefault(removal.run, []).append(removal)
    for run, removals in by_run.items():
        with contextlib.ExitStack() as stack:
            try:
                if run is not None:
                    stack.enter_context(locked(run))
            except (ValueError, OSError) as error:  # another process is at it, or it has vanished
                yield from ((removal, str(error)) for removal in removals)
                continue
            still = None if run is None else {removal.path for removal in removable(Run.read(run))}
            for removal in removals:
                if still is not None and removal.path not in still:
                    yield removal, "it has changed meanwhile"
                else:
                    yield removal, _delete(removal.path)


def _delete(path: Path) -> str:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        return str(error)
    return ""


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:  # it is not there, or may not be read
        return []


def _num_bytes(path: Path) -> int:
    """Return the size on disk of a file, or of all files below a directory; what vanishes meanwhile counts nothing."""
    total = 0
    for file in path.rglob("*") if path.is_dir() else [path]:
        with contextlib.suppress(OSError):
            total += file.lstat().st_size if file.is_symlink() or file.is_file() else 0
    return total
