"""Training runs one after another: a worker process has the libraries loaded and forks a process for each run.

Each run is `python -m gan_experiments OVERRIDES` in all but the seconds that it takes to import torch and Lightning.
The worker loads libraries only; the package itself is imported anew in each run, from the checkout that is asked for.
"""

import importlib
import importlib.util
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import numpy as np
from cases import Case
from sklearn.datasets import load_digits

PRELOADED = (
    "hydra", "torch", "torch._dynamo", "torchvision", "torchmetrics", "pytorch_lightning", "sklearn.datasets",
    "matplotlib.pyplot", "pydantic", "safetensors.torch",
)  # fmt: skip
PACKAGE = "gan_experiments"
NUM_TRAIN = 1500  # as in dataset=digits
STOPPED = 128 + signal.SIGTERM
SECONDS = 300.0
"""After so long a run hangs."""


class Runner:
    """Trains cases with the package of a checkout. A context manager: at its end the worker ends.

    Args:
        checkout: the directory that holds the package `gan_experiments`.
        directory: where runs, logs, caches and data sets go.
    """

    def __init__(self, checkout: Path, directory: Path) -> None:
        self.checkout = checkout.absolute()
        self.directory = directory.absolute()
        self.data = self.directory / "data"

    def __enter__(self) -> Self:
        """Write the data sets and start the worker.

        Raises:
            RuntimeError: the worker would import the package from elsewhere.
        """
        write_data(self.data)
        environment = {key: value for key, value in os.environ.items() if key != "GAN_EXPERIMENTS_DATA"}
        environment |= {
            "PYTHONPATH": str(self.checkout),
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "MPLCONFIGDIR": str(self.directory / "matplotlib"),
        }
        self._worker = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=self.directory,
            text=True,
        )
        found = Path(self._read()["package"])
        if found.parent != self.checkout:
            self.__exit__(None, None, None)
            raise RuntimeError(f"{PACKAGE} is imported from {found}, not from the checkout {self.checkout}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the worker."""
        with self._worker:
            assert self._worker.stdin is not None
            self._worker.stdin.close()

    def train(self, case: Case, name: str | None = None) -> Path:
        """Train a case, stopped and resumed if it asks for that, and return the run's directory.

        Raises:
            RuntimeError: it failed, or ended before it could be stopped.
        """
        name = case.name if name is None else name
        run = self.directory / name
        overrides = [override.replace("{data}", str(self.data)) for override in case.overrides]
        started = [*overrides, f"hydra.run.dir={run}", f"cache_dir={self.directory / f'{name}_cache'}"]
        if case.stop_at_row is None:
            self._launch(name, run, started, None, 0)
        else:
            self._launch(name, run, started, case.stop_at_row, STOPPED)
            self._launch(name, run, [f"resume={run}"], None, 0)
        return run

    def _launch(self, name: str, run: Path, arguments: list[str], stop_at_row: int | None, expected: int) -> None:
        log = self.directory / f"{name}.log"
        job = {"arguments": arguments, "run": str(run), "log": str(log), "stop_at_row": stop_at_row}
        assert self._worker.stdin is not None
        self._worker.stdin.write(json.dumps(job) + "\n")
        self._worker.stdin.flush()
        code = self._read()["code"]
        if code != expected:
            told = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"{name} ended with exit code {code} instead of {expected}:\n{told}")

    def _read(self) -> dict[str, Any]:
        assert self._worker.stdout is not None
        line = self._worker.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with exit code {self._worker.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def write_data(directory: Path) -> None:
    """Write scikit-learn's digits as npz data sets of 8, 16 and 28 pixels, enlarged by repeating pixels."""
    directory.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    for size in (8, 16, 28):
        nearest = np.arange(size) * 8 // size
        enlarged = images[:, nearest][:, :, nearest]
        np.savez(
            directory / f"digits_{size}.npz",
            train_images=enlarged[:NUM_TRAIN],
            train_labels=digits.target[:NUM_TRAIN],
            test_images=enlarged[NUM_TRAIN:],
            test_labels=digits.target[NUM_TRAIN:],
        )


def serve() -> None:
    """Load the libraries, then fork a run for each line of stdin and answer with its exit code."""
    for library in PRELOADED:
        importlib.import_module(library)
    specification = importlib.util.find_spec(PACKAGE)
    assert specification is not None
    assert specification.origin is not None
    _answer({"package": str(Path(specification.origin).parent)})
    for line in sys.stdin:
        job = json.loads(line)
        process = os.fork()
        if process == 0:
            _run(job["arguments"], Path(job["log"]))
        _answer({"code": _wait(process, Path(job["run"]), job["stop_at_row"])})


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _run(arguments: Sequence[str], log: Path) -> NoReturn:
    """Be `python -m gan_experiments *arguments` in a process just forked."""
    code: Any = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        sys.argv[1:] = arguments
        try:
            runpy.run_module(PACKAGE, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as leaving:
            code = 0 if leaving.code is None else leaving.code
        except BaseException:
            sys.excepthook(*sys.exc_info())
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1)


def _wait(process: int, run: Path, stop_at_row: int | None) -> int:
    """Wait for a run, which is asked to stop at a row or killed when it hangs, and return its exit code."""
    end = time.monotonic() + SECONDS
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if stop_at_row is not None and _count_rows(run / "metrics.csv") >= stop_at_row:
            os.kill(process, signal.SIGTERM)
            stop_at_row = None
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.002)


def _count_rows(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n") - 1
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    serve()
