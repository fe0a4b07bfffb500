"""Jobs of a sweep in this process, with or without training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from launching import TINY
from omegaconf import open_dict

from gan_experiments.config.compose import Composition, from_hydra, register_schema
from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.io import write_json
from gan_experiments.runs.launch import Launch
from gan_experiments.sweeps.state import Job, SweepSession, read_jobs


def composed_job(directory: Path, *overrides: str, number: int = 0) -> tuple[Composition, Any]:
    """Compose a job, and Hydra's own config, as Hydra does."""
    register_schema()
    GlobalHydra.instance().clear()
    words = [*TINY, *overrides]
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = compose("config", [*words, f"hydra.sweep.dir={directory}"], return_hydra_config=True)
    hydra: Any = config.hydra
    with open_dict(config):
        hydra.job.num = number
    return from_hydra(config, hydra, words), hydra


def session(directory: Path, *overrides: str, **about: Any) -> SweepSession:
    """Write a session over the digits example, as the command of a sweep in another process does."""
    directory.mkdir(parents=True, exist_ok=True)
    written = SweepSession("now", [*TINY, *overrides], **about)
    written.write(directory)
    return written


def result(best: float | None = None, key: str = "fid/digits_classifier", **protocol: Any) -> dict[str, Any]:
    """Make up the results of a run."""
    values = {key: {"value": best, "higher_is_better": False, "protocol": protocol}}
    return {"evaluation": {"values": values, "best": {} if best is None else {"key": key, "value": best}}}


def pretend(results: dict[str, Any], status: str = "finished") -> Callable[[Launch], dict[str, Any]]:
    """Stand in for training: write what a run leaves, in no time, and return the results."""

    def train(launch: Launch) -> dict[str, Any]:
        from omegaconf import OmegaConf

        launch.directory.mkdir(parents=True, exist_ok=True)
        manifest = {"config": OmegaConf.to_container(launch.config), "choices": launch.choices, "status": status}
        write_json(launch.directory / "manifest.json", manifest | {"sessions": [{"seconds": 2.5}]})
        write_json(launch.directory / "results.json", results)
        return results

    return train


def jobs(directory: Path) -> list[Job]:
    return read_jobs(directory, "now")
