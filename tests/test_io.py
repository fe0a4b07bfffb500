"""A file is written whole or not at all, by however many at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from gan_experiments.io import waiting_for, write_atomically


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "kept"

    def slow(file: IO[bytes]) -> None:
        file.write(b"slow, ")
        write_atomically(path, lambda other: other.write(b"quick"))
        assert path.read_bytes() == b"quick"
        file.write(b"but whole")

    write_atomically(path, slow)

    assert path.read_bytes() == b"slow, but whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")

    def broken(file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_atomically(path, broken)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_one_waits_for_the_other(tmp_path: Path) -> None:
    order: list[str] = []

    def work(name: str) -> None:
        with waiting_for(tmp_path / "a.lock"):
            order.append(f"{name} begins")
            time.sleep(0.1)
            order.append(f"{name} ends")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, "ab"))
    first, second = order[0][0], order[2][0]
    assert {first, second} == {"a", "b"}
    assert order == [f"{first} begins", f"{first} ends", f"{second} begins", f"{second} ends"]
