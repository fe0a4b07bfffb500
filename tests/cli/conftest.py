"""Small finished runs, copies of them in every other state, and the command line in this process."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from launching import TINY, launch

MEASURED = [
    "evaluation=standard",
    "evaluation.num_samples=300",
    "evaluation.every_kimg=0.128",
    "evaluation/metric=[fid]",
]


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def unfolded(self) -> str:
        """The output without the breaks and spaces that tables put into long cells."""
        return "".join(self.out.split())


Verb = Callable[..., Said]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a conditional generator, evaluated at iterations 8, 16 and 20. Not to be changed."""
    top = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_EXPERIMENTS_CACHE", str(top / "cache"))
        patch.chdir(top)
        launch(top / "outputs" / "digits" / "first", *TINY, *MEASURED, "dataset=digits", "notes='a <b>note</b>'")
    return top / "outputs" / "digits" / "first"


@pytest.fixture(scope="session")
def unconditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a generator that takes no labels, measured by nothing. Not to be changed."""
    run = tmp_path_factory.mktemp("unconditional") / "run"
    launch(run, *TINY, "model=dcgan", "loss=non_saturating", "keep_checkpoints=5")
    return run


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[..., Path]:
    """Copy a run to below `tmp_path`, and change what its manifest says."""

    def copy(run: Path, name: str, **changes: Any) -> Path:
        target = tmp_path / name
        shutil.copytree(run, target)
        if changes:
            change_manifest(target, **changes)
        return target

    return copy


def change_manifest(run: Path, **changes: Any) -> None:
    """Write other values into a manifest; those of `config` are added to its own."""
    path = run / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"] |= changes.pop("config", {})
    path.write_text(json.dumps(manifest | changes))


@pytest.fixture
def verb(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Verb:
    """Run `gan-experiments WORDS` in `tmp_path`, where the cache is too."""
    from gan_experiments.cli.app import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAN_EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["gan-experiments", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err)

    return run
