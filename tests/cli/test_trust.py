"""Verbs that only read a run import and execute nothing that it names, since it may be somebody else's."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Verb


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a run whose parts write a file when they are imported or built."""
    code, run = tmp_path / "code", tmp_path / "run"
    for directory in (code, run):
        directory.mkdir()
    (code / "hostile.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'touched')!r}).touch()\nclass Part: pass\n"
    )
    part = {"_target_": "hostile.Part", "secret": "${oc.env:HOME}"}
    config: dict[str, Any] = {
        name: {"part": part} for name in ("loss", "logger", "evaluation", "alarms", "regime", "augment")
    }
    config |= {"model": {"generator": part, "discriminator": part}, "dataset": {"name": "x", "source": part}, "seed": 0}
    config |= {"code_dirs": [str(code)], "task": part, "schedule": part, "trainer": part}
    manifest = {"status": "finished", "choices": {"loss": "part"}, "overrides": ["loss=part"], "config": config}
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "metrics.csv").write_text("kind,iteration,kimg,discriminator/loss\ntraining,1,1,0.5\n")
    (run / "results.json").write_text('{"iterations": 1, "kimg": 1}')
    return run


@pytest.mark.parametrize("name", ["runs", "show", "diff", "compare", "report"])
def test_verbs_that_read_execute_nothing(name: str, hostile: Path, verb: Verb) -> None:
    runs = [str(hostile)] * (2 if name == "diff" else 1)
    places = ["-o", str(hostile.parent / "page.html")] if name in ("compare", "report") else []

    assert verb(name, *runs, *places).code == 0
    assert not (hostile.parent / "touched").exists()
