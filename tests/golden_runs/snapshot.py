"""Golden runs: train every case of `cases.py`, and write down what came out, to the bit.

    python tests/golden_runs/snapshot.py OUT.json [--checkout DIR] [--only CASE ...] [--keep DIR] [--portable]
    python tests/golden_runs/snapshot.py --compare A.json B.json

A snapshot holds hashes, which are equal only on the same machine with the same versions, and norms and values, which
are close on other machines too. Before a change of the code write one, after it another, and compare the two.
"""

import argparse
import csv
import hashlib
import json
import platform
import struct
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import CASES, Case
from runner import Runner
from torch import Tensor

CHECKOUT = Path(__file__).resolve().parents[2]
TIMED = frozenset({"images_per_second", "kind"})
"""Columns of metrics.csv that depend on time, and the one of words."""
NORM_TOLERANCE = 1e-3
"""Relative, on other machines."""


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds, whatever its layout."""

    networks: Mapping[str, Mapping[str, Tensor]]  # generator, discriminator, ema: tensors by their name in the network
    optimizers: Mapping[str, Mapping[str, Any]]  # by network: state dicts
    clock: Mapping[str, int]


@dataclass(frozen=True)
class Result:
    """What came out of a run."""

    exact: dict[str, str | int]  # hashes of tensors and columns, and the clock: equal on the same machine
    norms: dict[str, float]  # Euclidean norm of each network's tensors
    values: dict[str, float]  # last value of each column of metrics.csv
    seconds: float = 0.0


def read_checkpoint(path: Path) -> Saved:
    """Read a checkpoint. The only code here that knows its layout."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    networks: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state["networks"].items():
        network, _, name = key.partition(".")
        networks.setdefault(network, {})[name.removeprefix("network.")] = tensor
    return Saved(networks, state["optimizers"], state["clock"])


def newest_checkpoint(run: Path) -> Path:
    """Return the path of a run's newest exact checkpoint."""
    return max((run / "checkpoints").glob("iteration_*.pt"))


def read_columns(path: Path) -> dict[str, list[float | None]]:
    """Read a metrics.csv by columns, without those that depend on time; None stands for an empty cell."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else {}) if name not in TIMED]
    return {name: [float(row[name]) if row[name] else None for row in rows] for name in sorted(names)}


def summarize(run: Path, seconds: float = 0.0) -> Result:
    """Return what came out of a run."""
    saved = read_checkpoint(newest_checkpoint(run))
    columns = read_columns(run / "metrics.csv")
    exact: dict[str, str | int] = {f"clock/{name}": count for name, count in saved.clock.items()}
    exact |= {f"networks/{name}": hash_of(tensors) for name, tensors in saved.networks.items()}
    exact |= {f"optimizers/{name}": hash_of(state) for name, state in saved.optimizers.items()}
    exact |= {f"metrics/{name}": hash_of(cells) for name, cells in columns.items()}
    best = run / "checkpoints" / "best.pt"
    if best.exists():
        exact |= {f"best/{name}": hash_of(tensors) for name, tensors in read_checkpoint(best).networks.items()}
    norms = {name: norm_of(tensors.values()) for name, tensors in saved.networks.items()}
    last = {name: [cell for cell in cells if cell is not None][-1] for name, cells in columns.items()}
    return Result(dict(sorted(exact.items())), dict(sorted(norms.items())), last, round(seconds, 1))


def hash_of(value: Any) -> str:
    """Return the SHA-256 of nested containers of tensors and numbers, independent of the order of keys."""
    digest = hashlib.sha256()
    for path, leaf in _leaves(value):
        digest.update(f"{path}\0".encode())
        if isinstance(leaf, Tensor):
            digest.update(f"{leaf.dtype} {tuple(leaf.shape)}\0".encode())
            digest.update(leaf.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(leaf, float):
            digest.update(struct.pack("<d", leaf))
        else:
            digest.update(repr(leaf).encode())
    return digest.hexdigest()


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _leaves(value[key], f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}/{index}")
    else:
        yield path, value


def norm_of(tensors: Iterable[Tensor]) -> float:
    """Return the Euclidean norm of all entries of the floating-point tensors together."""
    squares = [float(tensor.double().square().sum()) for tensor in tensors if tensor.is_floating_point()]
    return float(np.sqrt(sum(squares)))


def train(runner: Runner, case: Case, name: str | None = None) -> Result:
    """Train a case and return what came out."""
    began = time.perf_counter()
    run = runner.train(case, name)
    return summarize(run, time.perf_counter() - began)


def differences(ours: Result, theirs: Result) -> list[str]:
    """List what is not the same to the bit."""
    found = []
    for name in sorted(ours.exact.keys() | theirs.exact.keys()):
        one, other = ours.exact.get(name, "absent"), theirs.exact.get(name, "absent")
        if one != other:
            found.append(f"{name}: {_short(one)} is not {_short(other)}{_numbers(name, ours, theirs)}")
    return found


def _short(value: str | int) -> str:
    return str(value)[:12]


def _numbers(name: str, ours: Result, theirs: Result) -> str:
    """Say what is known in numbers of what differs: both norms, or both last values."""
    key = name.partition("/")[2]
    for one, other in ((ours.norms, theirs.norms), (ours.values, theirs.values)):
        if key in one and key in other and not name.startswith(("clock/", "best/", "optimizers/")):
            return f" ({one[key]:.9g}, {other[key]:.9g})"
    return ""


def deviations(ours: Result, expected: Result, tolerance: float) -> list[str]:
    """List norms and values that are further from the expected ones than results of another machine may be."""
    found = []
    for kind, one, other, allowed in (
        ("norm", ours.norms, expected.norms, NORM_TOLERANCE),
        ("value", ours.values, expected.values, tolerance),
    ):
        for name in sorted(one.keys() | other.keys()):
            here, there = one.get(name), other.get(name)
            if here is None or there is None:
                found.append(f"{kind} of {name}: {here} instead of {there}")
            elif not abs(here - there) <= allowed * max(abs(there), 1.0):
                found.append(f"{kind} of {name}: {here:.6g} instead of {there:.6g}")
    return found


def read_results(path: Path) -> dict[str, Result]:
    """Read the results of a snapshot by case."""
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return {name: Result(**{"exact": {}, **held}) for name, held in cases.items()}


def write_results(path: Path, results: Mapping[str, Result], portable: bool) -> None:
    """Write a snapshot; a portable one has only what is alike on other machines."""
    cases = {name: asdict(result) for name, result in results.items()}
    if portable:
        cases = {name: {key: held[key] for key in ("norms", "values")} for name, held in cases.items()}
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"versions": versions, "cases": cases}, indent=1) + "\n", encoding="utf-8")


def take(out: Path, checkout: Path, only: Sequence[str], keep: Path | None, portable: bool) -> None:
    """Train the cases with the package of a checkout and write the snapshot."""
    results = {}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory())) if keep is None else keep
        runner = stack.enter_context(Runner(checkout, directory))
        for case in CASES:
            if not only or case.name in only:
                results[case.name] = train(runner, case)
                sys.stderr.write(f"{case.name}: {results[case.name].seconds} s\n")
    write_results(out, results, portable)


def compare(ours: Path, theirs: Path) -> int:
    """Print what differs between two snapshots and return the exit code: 1 if anything does."""
    results, others = read_results(ours), read_results(theirs)
    lines = []
    for name in sorted(results.keys() | others.keys()):
        if name in results and name in others:
            lines += [f"{name}: {line}" for line in differences(results[name], others[name])]
        else:
            lines.append(f"{name}: only in {ours if name in results else theirs}")
    sys.stdout.write("".join(f"{line}\n" for line in lines) or f"{len(results)} cases are the same to the bit.\n")
    return int(bool(lines))


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description="Write or compare snapshots of short training runs.")
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT.json", help="the snapshot to write")
    parser.add_argument("--checkout", type=Path, default=CHECKOUT, help="whose package trains (default: this one)")
    parser.add_argument("--only", nargs="+", default=[], choices=[case.name for case in CASES], metavar="CASE")
    parser.add_argument("--keep", type=Path, help="a new directory in which the runs are left")
    parser.add_argument("--portable", action="store_true", help="leave out what is equal on the same machine alone")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A.json", "B.json"), help="list what differs")
    given = parser.parse_args()
    if given.compare:
        return compare(*given.compare)
    if given.out is None:
        parser.error("OUT.json is missing")
    take(given.out, given.checkout, given.only, given.keep, given.portable)
    return 0


if __name__ == "__main__":
    sys.exit(main())
