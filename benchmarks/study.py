"""Run a study: variants of an experiment times seeds, each measured at its end; results go to docs/results/.

    python benchmarks/study.py benchmarks/studies/report_e.yaml [--jobs 2]

The yaml of a study holds `seeds`, `common` (overrides of every run), `variants` (a name and further overrides each)
and, for the pages, `claims`, and `curves`: metrics to keep as they were during training. Runs are kept in
outputs/studies/STUDY/VARIANT-sSEED. The same command goes on where it was interrupted: runs that ended stay, others
are resumed. Each run's numbers are written when it ends, to docs/results/STUDY/VARIANT-sSEED.json, and its last
samples for the first seed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from omegaconf import OmegaConf

from gan_experiments.tracking.rows import read_metrics

ROOT = Path(__file__).resolve().parents[1]
writing = Lock()
LOCAL = ("hydra.", "data_dir=", "cache_dir=", "logger=")


def run(study: str, variant: str, seed: int, overrides: list[str], curves: list[str]) -> str:
    """Bring one run to its end, measure it, and write its result; give a line about it."""
    name = f"{variant}-s{seed}"
    directory = ROOT / "outputs" / "studies" / study / name
    directory.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    with (directory.parent / f"{name}.log").open("a") as log:

        def call(*words: str) -> bool:
            command = [sys.executable, *words]
            return subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, env=environment).returncode == 0

        asked = [*overrides, f"seed={seed}"]
        if _status(directory) != "missing" and _portable(_json(directory / "manifest.json")["overrides"]) != asked:
            return f"{name}: not run, since {directory} holds a run with other overrides: remove it first"
        if _status(directory) not in ("finished", "failed"):
            if list(directory.glob("checkpoints/*.pt")):
                done = call("-m", "gan_experiments", f"resume={directory}")
            else:
                shutil.rmtree(directory, ignore_errors=True)
                done = call("-m", "gan_experiments", *asked, f"hydra.run.dir={directory}")
            if not done and _status(directory) != "failed":
                return f"{name}: not finished, see {log.name}"
        measured = _json(directory / "manifest.json")["config"]["evaluation"]["metrics"]
        if _status(directory) == "finished" and measured and not list(directory.glob("evaluation/*.json")):
            program = "from gan_experiments.cli import main; main()"
            if not call("-c", program, "evaluate", str(directory)):
                return f"{name}: not measured, see {log.name}"
    with writing:
        return _write(directory, ROOT / "docs" / "results" / study, name, curves)


def _write(directory: Path, target: Path, name: str, curves: list[str]) -> str:
    """Write what the pages need of a run."""
    manifest = _json(directory / "manifest.json")
    results = _json(directory / "results.json") if (directory / "results.json").exists() else {}
    target.mkdir(parents=True, exist_ok=True)
    protocols: dict[str, Any] = _json(target / "protocols.json") if (target / "protocols.json").exists() else {}
    values: dict[str, Any] = {}
    for path in sorted(directory.glob("evaluation/*.json")):
        measured = _json(path)
        for key, entry in measured["values"].items():
            protocol = entry.pop("protocol")
            short = hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:12]
            protocols[short] = protocol
            entry.pop("by_seed")
            values[key] = {**entry, "protocol": short}
        results["not_applicable"] = measured["not_applicable"]
        results["num_samples"] = measured["num_samples"]
    git = manifest["git"]
    result = {
        "command": " ".join(["python -m gan_experiments", *_portable(manifest["overrides"])]),
        "seed": manifest["seed"],
        "status": manifest["status"],
        "error": manifest["error"],
        "commit": git.get("commit", "unknown") + (" (modified)" if git.get("dirty") else ""),
        "date": manifest["started"][:10],
        "machine": f"{manifest['machine']['processor']}, {manifest['sessions'][-1]['device']}",
        "torch": manifest["versions"]["torch"],
        "seconds": round(sum(session["seconds"] for session in manifest["sessions"]), 1),
        "iterations": results.get("iterations"),
        "kimg": results.get("kimg"),
        "alarms": [{key: alarm[key] for key in ("alarm", "kimg", "action")} for alarm in manifest["alarms"]],
        "num_samples": results.get("num_samples"),
        "not_applicable": results.get("not_applicable", {}),
        "at_the_end": {key: results[key] for key in results if "/" in key},
        "values": values,
    }
    if curves:
        result["curves"] = _curves(directory, curves)
    (target / f"{name}.json").write_text(json.dumps(_rounded(result), indent=1) + "\n")
    if protocols:
        (target / "protocols.json").write_text(json.dumps(protocols, indent=1, sort_keys=True) + "\n")
    pictures = sorted((directory / "samples").glob("kimg_*.png"))
    if name.endswith("-s0") and pictures:
        shutil.copy(pictures[-1], target / f"{name}.png")
    return f"{name}: {manifest['status']}, {result['seconds'] / 60:.1f} min, {len(result['alarms'])} alarms"


def _curves(directory: Path, keys: list[str]) -> dict[str, Any]:
    """Give metrics during training, with kimg and the generator's steps at which they were measured."""
    rows = read_metrics(directory / "metrics.csv")
    curves = {}
    for key in keys:
        columns = {"kimg": "kimg", "generator_steps": "generator_steps", "value": key}
        curves[key] = {name: [row[column] for row in rows if key in row] for name, column in columns.items()}
    return curves


def _portable(overrides: list[str]) -> list[str]:
    return [word for word in overrides if not word.startswith(LOCAL)]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, list) else value


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _status(directory: Path) -> str:
    path = directory / "manifest.json"
    return str(_json(path)["status"]) if path.exists() else "missing"


def main() -> int:
    """Run the command line above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    arguments = parser.parse_args()
    study: Any = OmegaConf.to_container(OmegaConf.load(arguments.study))
    unfinished = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        waiting = [
            pool.submit(
                run,
                arguments.study.stem,
                variant,
                seed,
                [*study.get("common", []), *overrides],
                study.get("curves", []),
            )
            for seed in study["seeds"]
            for variant, overrides in study["variants"].items()
        ]
        for future in waiting:
            line = future.result()
            unfinished += ": not " in line
            print(line, flush=True)
    return 1 if unfinished else 0


if __name__ == "__main__":
    sys.exit(main())
