"""A study without runs: its yaml and results written by hand, and the pages' modules that read them."""

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]


def import_sections(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import benchmarks/pages/study_sections.py, reading studies and results of this directory."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "pages")
    import study_results
    import study_sections

    monkeypatch.setattr(study_results, "DOCS", directory)
    monkeypatch.setattr(study_results, "STUDIES", directory)
    return study_sections


def write(directory: Path, values: dict[str, list[float | None]], claims: list[Any], **more: Any) -> None:
    study = {"seeds": [0, 1, 2], "variants": {name: [] for name in values}, "claims": claims, **more}
    (directory / "toy.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(study)))
    (directory / "results" / "toy").mkdir(parents=True)
    for name, of_seeds in values.items():
        for seed, value in enumerate(of_seeds):
            entry = {"value": value, "num_seeds": 4, "higher_is_better": False, "protocol": "p", "floor": 1.0}
            run = {
                "seed": seed, "command": "python -m gan_experiments", "status": "finished", "commit": "c" * 40,
                "date": "2026-01-01", "machine": "m", "torch": "t", "seconds": 60.0, "alarms": [], "num_samples": 100,
                "not_applicable": {}, "at_the_end": {}, "values": {"fid/x": entry},
            }  # fmt: skip
            (directory / "results" / "toy" / f"{name}-s{seed}.json").write_text(json.dumps(run))


def change(directory: Path, variant: str, **entries: list[Any]) -> None:
    """Set entries of the results of a variant, one for each seed."""
    for name, of_seeds in entries.items():
        for seed, entry in enumerate(of_seeds):
            path = directory / "results" / "toy" / f"{variant}-s{seed}.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {name: entry}))


def verdicts(page: str) -> list[str]:
    """Return the last column of the table of findings."""
    rows = page[page.index("| claim |") :].split("\n\n")[0].splitlines()[2:]
    return [row.split("|")[-2].strip() for row in rows]
