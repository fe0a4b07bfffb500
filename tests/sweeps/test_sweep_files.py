"""The W&B sweep files: the command that an agent makes of each starts a run of ours."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from launching import TINY, planned
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

DIRECTORY = Path(__file__).parents[2] / "sweeps"
FILES = sorted(DIRECTORY.glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def draw(parameter: dict[str, Any], last: bool) -> Any:
    """Take a parameter's first or last value, as W&B's server does."""
    if "values" in parameter:
        return parameter["values"][-1 if last else 0]
    assert parameter["distribution"] == "log_uniform_values"
    return parameter["max" if last else "min"]


def agent_command(sweep: dict[str, Any], last: bool = False) -> list[str]:
    """Make the command line of a run as `Agent._command_run` of wandb.wandb_agent does."""
    drawn = {name: {"value": draw(parameter, last)} for name, parameter in sweep["parameters"].items()}
    settings = {"args": drawn, "program": sweep["program"]}
    macros = create_sweep_command_args(settings)
    macros |= {"interpreter": ["python"], "program": [settings["program"]], "env": ["/usr/bin/env"]}
    words = [str(word) for word in create_sweep_command(sweep["command"])]
    filled = (macros.get(word[2:-1]) or [] if word.startswith("${") else [word] for word in words)
    return list(itertools.chain.from_iterable(filled))


def test_there_is_a_file_for_each_method() -> None:
    assert {read(path)["method"] for path in FILES} == {"grid", "random", "bayes"}
    assert any(read(path).get("early_terminate", {}).get("type") == "hyperband" for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("last", [False, True])
def test_the_agents_command_composes_and_its_metric_is_one_that_is_logged(path: Path, last: bool) -> None:
    sweep = read(path)
    words = agent_command(sweep, last)
    start = words.index("gan_experiments") + 1

    from gan_experiments.build import build_extractors

    config = planned(Path("unused"), *words[start:]).config
    names = [extractor.name for extractor in build_extractors(config).values()]

    assert words[:start] == ["/usr/bin/env", "python", "-m", "gan_experiments"]
    assert sweep["metric"] == {"name": f"{config.evaluation.best}/{names[0]}", "goal": "minimize"}
    assert config.logger.wandb.mode == "online"


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_agents_command_runs(path: Path, tmp_path: Path) -> None:
    small = [word for word in TINY if word != "evaluation=none"]
    measured = ["evaluation/metric=[fid]", "evaluation.num_samples=200"]
    here = ["dataset=digits", "model=dcgan_class_head", "logger=csv", "hydra.run.dir=run", *small, *measured]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GAN_EXPERIMENTS_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }

    done = subprocess.run(
        [*agent_command(read(path)), *here],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert "fid/digits_classifier" in results
