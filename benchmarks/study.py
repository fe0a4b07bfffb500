"""Run a study: variants of an experiment times seeds, each measured at its end; results go to docs/results/.

    python benchmarks/study.py benchmarks/studies/report_e.yaml [--jobs 2] [--only VARIANT ...] [--seeds SEED ...]

The yaml of a study holds `seeds`, `common` (overrides of every run) and `variants`: a name and further overrides each,
or a mapping with `overrides`, `seeds` of its own and `full` (the overrides of the long form, for the pages). Optional:

    evaluate_with   overrides of `gan-experiments evaluate`, such as further metrics
    after           for a variant, verbs that are called on each of its finished runs: [[inspect, --step, "0.03"]] is
                    `gan-experiments inspect RUN --step 0.03`
    curves          metrics to keep as they were during training
    grids           how many grids of samples to show, spread over training; left out: the last one
    claims, counts  for the pages

Runs are kept in outputs/studies/STUDY/VARIANT-sSEED. The same command goes on where it was interrupted: runs that ended
stay, others are resumed, and a verb that has been called is not called again. Each run's numbers are written when it
ends, to docs/results/STUDY/VARIANT-sSEED.json, and the pictures of each variant's first seed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from omegaconf import OmegaConf
from run_results import portable, read_json, write_result

ROOT = Path(__file__).resolve().parents[1]
VERB = ("-c", "from gan_experiments.cli.app import main; main()")
writing = Lock()


@dataclass(frozen=True)
class Job:
    """One run of a study.

    Args:
        study: the name of the study.
        variant: the name of the variant.
        seed: of training.
        overrides: of the run, but for its seed.
        evaluate_with: overrides of `evaluate`.
        after: verbs with their arguments.
        curves: metrics to keep as they were during training.
        grids: how many grids of samples to show; None shows no pictures.
        full: overrides of the long form.
    """

    study: str
    variant: str
    seed: int
    overrides: list[str]
    evaluate_with: list[str] = field(default_factory=list)
    after: list[list[str]] = field(default_factory=list)
    curves: list[str] = field(default_factory=list)
    grids: int | None = None
    full: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Variant and seed."""
        return f"{self.variant}-s{self.seed}"

    @property
    def directory(self) -> Path:
        """The run directory."""
        return ROOT / "outputs" / "studies" / self.study / self.name

    @property
    def calls(self) -> Path:
        """The file that lists which verbs have been called."""
        return self.directory.parent / f"{self.name}.calls.json"


def read_study(path: Path) -> list[Job]:
    """Return the runs that a study's yaml asks for, the first seeds first."""
    study: Any = OmegaConf.to_container(OmegaConf.load(path))
    jobs = []
    for variant, written in study["variants"].items():
        of_variant = written if isinstance(written, dict) else {"overrides": written}
        seeds = of_variant.get("seeds", study["seeds"])
        overrides = [*(study.get("common") or []), *of_variant["overrides"]]
        jobs += [
            Job(
                path.stem,
                variant,
                seed,
                overrides,
                study.get("evaluate_with") or [],
                (study.get("after") or {}).get(variant, []),
                study.get("curves") or [],
                study.get("grids", 1) if seed == seeds[0] else None,
                of_variant.get("full", [word for word in overrides if word.startswith("+experiment=")]),
            )
            for seed in seeds
        ]
    return sorted(jobs, key=lambda job: job.seed)


def run(job: Job) -> str:
    """Bring one run to its end, measure it, call its verbs, and write its result; return a line about it."""
    directory = job.directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f"{job.name}.log").open("a") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}

        def call(*words: str) -> bool:
            command = [sys.executable, *words]
            return subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, env=environment).returncode == 0

        asked = [*job.overrides, f"seed={job.seed}"]
        if _status(directory) != "missing" and _overrides(directory) != portable(asked, "${data_dir}"):
            return f"{job.name}: not run, since {directory} holds a run with other overrides: remove it first"
        if _status(directory) not in ("finished", "failed"):
            if list(directory.glob("checkpoints/*.pt")):
                done = call("-m", "gan_experiments", f"resume={directory}")
            else:
                shutil.rmtree(directory, ignore_errors=True)
                job.calls.unlink(missing_ok=True)
                done = call("-m", "gan_experiments", *asked, f"hydra.run.dir={directory}")
            if not done and _status(directory) != "failed":
                return f"{job.name}: not finished, see {log.name}"
        failed = [" ".join(words) for words in _due(job) if not _called(job, words, call)]
    with writing:
        target = ROOT / "docs" / "results" / job.study
        line = write_result(directory, target, job.name, job.curves, job.grids, job.full)
    return f"{job.name}: not done: {', '.join(failed)}, see {log.name}" if failed else line


def _due(job: Job) -> list[list[str]]:
    """Return the verbs that are still to be called on a run that has finished; a failed one is left alone."""
    if _status(job.directory) != "finished":
        return []
    done = read_json(job.calls) if job.calls.exists() else []
    due = [words for words in job.after if words not in done]
    measures = read_json(job.directory / "manifest.json")["config"]["evaluation"]["metrics"]
    measured = not job.evaluate_with and list(job.directory.glob("evaluation/*.json"))
    evaluate = ["evaluate", *job.evaluate_with]
    if (measures or job.evaluate_with) and evaluate not in done and not measured:
        due.insert(0, evaluate)
    return due


def _called(job: Job, words: list[str], call: Any) -> bool:
    """Call a verb on a run, and list it where that succeeded."""
    if not call(*VERB, words[0], str(job.directory), *words[1:]):
        return False
    done = read_json(job.calls) if job.calls.exists() else []
    job.calls.write_text(json.dumps([*done, words]) + "\n")
    return True


def _overrides(directory: Path) -> list[str]:
    manifest = read_json(directory / "manifest.json")
    return portable(manifest["overrides"], manifest["config"]["data_dir"])


def _status(directory: Path) -> str:
    path = directory / "manifest.json"
    return str(read_json(path)["status"]) if path.exists() else "missing"


def _listed(words: Iterable[Any]) -> str:
    return ", ".join(map(str, sorted(words)))


def main() -> int:
    """Run the command line above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="these variants alone")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="these seeds alone, such as those to come")
    arguments = parser.parse_args()
    jobs = read_study(arguments.study)
    for what, asked in (("variant", arguments.only), ("seed", arguments.seeds)):
        known = {getattr(job, what) for job in jobs}  # seeds are those of the variants asked for
        if unknown := set(asked or []) - known:
            parser.error(f"there is no {what} {_listed(unknown)} to run, but {_listed(known)}")
        jobs = [job for job in jobs if not asked or getattr(job, what) in asked]
    unfinished = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        waiting = [pool.submit(run, job) for job in jobs]
        for future in waiting:
            line = future.result()
            unfinished += ": not " in line
            print(line, flush=True)
    return 1 if unfinished else 0


if __name__ == "__main__":
    sys.exit(main())
