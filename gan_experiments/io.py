"""Writing files so that a reader, or a kill, never meets half of one; seeing who holds a directory."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

T = TypeVar("T")


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it; a failure leaves the old file and no other."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")  # two processes may write one file
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except RuntimeError as error:  # torch.save hides what the disk said
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def is_rank_zero() -> bool:
    """Whether this is the process that writes; the others train along. By the environment where no trainer is yet."""
    from pytorch_lightning.utilities import rank_zero_only  # takes seconds; whoever trains has it already

    return bool(getattr(rank_zero_only, "rank", 0) == 0)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    text = json.dumps(value, indent=2, allow_nan=True, default=str) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


@contextlib.contextmanager
def waiting_for(path: Path) -> Iterator[None]:
    """Hold a file that processes agree on, waiting while another holds it; without effect where there are no locks."""
    with path.open("wb") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cached(path: Path, read: Callable[[Path], T], make: Callable[[], T], write: Callable[[Path, T], object]) -> T:
    """Return the value kept at `path`, whose name must hold all that it depends on; else make it and keep it.

    A damaged file is made anew. A process waits while another makes the same.
    """
    with contextlib.suppress(Exception):  # whatever a reader raises of a file that is missing or damaged
        return read(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with waiting_for(path.with_suffix(".lock")):
        with contextlib.suppress(Exception):  # made by another process meanwhile
            return read(path)
        value = make()
        write(path, value)
        return value


def is_locked(directory: Path) -> bool:
    """Return whether a process holds a directory, as one does that trains there."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False
