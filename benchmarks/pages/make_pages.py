"""Results in the pages: collected from runs and benchmarks into docs/results/, written into the pages from there alone.

python benchmarks/pages/make_pages.py collect RUN STUDY     a run's numbers, curve and pictures -> docs/results/STUDY/
python benchmarks/pages/make_pages.py collect-bench JSON    a benchmark's numbers -> docs/results/bench/
python benchmarks/pages/make_pages.py                       docs/results/ -> the pages
python benchmarks/pages/make_pages.py --check               exit 1 if a page is not what docs/results/ gives
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import accuracy_sections
import center_sections
import curve_sections
import ratio_sections
from findings import findings_section
from report_sections import epochs_section, experiments_section, losses_section, networks_section, pictures_section
from study_results import NOT_RUN
from study_sections import alarms_section, made_section, study_section, values_section

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = DOCS / "results"
REPORTS = tuple(DOCS / "reports" / f"{letter}.md" for letter in "ABCDE")
PAGES = (DOCS.parent / "README.md", DOCS / "evaluation.md", DOCS / "studies" / "training_ratio.md", *REPORTS)
MARK = re.compile(r"(<!-- result: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
PARTS = re.compile(r"<!-- result: (\w+)/(\S+) -->")
CURVE_POINTS = 400


def collect(run: Path, study: str) -> None:
    """Copy what a page shows of a run: numbers, a thinned curve, and one picture of real beside generated images."""
    from PIL import Image

    from gan_experiments.reports.losses import plot_losses
    from gan_experiments.runs.metrics_csv import read_metrics

    manifest = json.loads((run / "manifest.json").read_text())
    rows = [row for row in read_metrics(run / "metrics.csv") if "discriminator/loss" in row or "generator/loss" in row]
    step = -(-len(rows) // CURVE_POINTS)
    kept = ("kimg", "discriminator_steps", "generator_steps", "discriminator/loss", "generator/loss")
    curve = [{name: float(f"{row[name]:.5g}") for name in kept if name in row} for row in rows[::step]]
    local = ("hydra.", "data_dir=", "dataset.path=", "logger=")
    overrides = [word for word in manifest["overrides"] if not word.startswith(local)]
    target = RESULTS / study
    target.mkdir(parents=True, exist_ok=True)
    result = {
        "experiment": manifest["experiment"],
        "command": " ".join(["python -m gan_experiments", *overrides]),
        "commit": manifest["git"].get("commit", "unknown") + (" (modified)" if manifest["git"].get("dirty") else ""),
        "date": manifest["started"][:10],
        "machine": f"{manifest['machine']['processor']}, {manifest['sessions'][-1]['device']}",
        "torch": manifest["versions"]["torch"],
        "seconds": sum(session["seconds"] for session in manifest["sessions"]),
        "parameters": manifest["parameters"],
        "data_fingerprint": manifest["data"]["fingerprint"],
        "results": json.loads((run / "results.json").read_text()),
    }
    lines = ",\n  ".join(json.dumps(row) for row in curve)
    text = json.dumps({**result, "curve": []}, indent=1).replace('"curve": []', f'"curve": [\n  {lines}\n ]')
    (target / "result.json").write_text(text + "\n")
    plot_losses(curve, target / "losses.png", study)
    real, made = (
        Image.open(path) for path in (run / "samples" / "real.png", sorted((run / "samples").glob("kimg_*"))[-1])
    )
    gap = 12
    both = Image.new(made.mode, (real.width + gap + made.width, made.height), "white")
    both.paste(real, (0, 0))
    both.paste(made, (real.width + gap, 0))
    both.save(target / "real_and_generated.png", optimize=True)


def collect_bench(path: Path) -> None:
    """Copy a benchmark's numbers."""
    target = RESULTS / "bench" / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(json.loads(path.read_text()), indent=1) + "\n")


def run_section(study: str) -> str:
    """Write a run's part of a page."""
    result = json.loads((RESULTS / study / "result.json").read_text())
    numbers = result["results"]
    minutes = result["seconds"] / 60
    return (
        f"![Real images left, generated ones right](docs/results/{study}/real_and_generated.png)\n\n"
        f"![Losses](docs/results/{study}/losses.png)\n\n"
        f"Left real images, right samples of the averaged generator after {numbers['epochs']:.0f} epochs "
        f"({numbers['kimg']:,.0f} kimg, {numbers['iterations']:,} iterations); below the losses. "
        f"`{result['command']}` took {minutes:.0f} minutes on {result['machine']} "
        f"({numbers['median_images_per_second']:,.0f} images/s, torch {result['torch']}, "
        f"commit `{result['commit'][:10]}`, {result['date']}); numbers and curve are in "
        f"[result.json](docs/results/{study}/result.json).\n"
    )


def bench_section(name: str) -> str:
    """Write a benchmark's table."""
    result = json.loads((RESULTS / "bench" / f"{name}.json").read_text())
    machine: dict[str, Any] = result.pop("machine")
    columns = {
        "hand_written_images_per_second": "hand-written loop, images/s",
        "same_arithmetic_ratio": "same arithmetic",
        "same_arithmetic_with_ema_ratio": "with EMA, log and progress",
        "best_ratio": "best setting",
        "peak_memory_ratio": "peak memory",
    }
    lines = [f"| networks | {' | '.join(columns.values())} |", "|---|" + "---|" * len(columns)]
    for networks, row in result.items():
        cells = [f"{row[key]:,.0f}" if key.endswith("second") else f"{row[key]:.2f} ×" for key in columns]
        lines.append(f"| {networks} | {' | '.join(cells)} |")
    made_by = "make bench"
    variants = [(key, name, ratio) for key, row in result.items() for name, ratio in row.get("variants", {}).items()]
    if variants:
        made_by = f"python benchmarks/training.py --variants --workloads {' '.join(result)}"
        lines = ["| networks | option alone | against *same arithmetic* |", "|---|---|---|"]
        lines += [f"| {key} | {name.replace('_', ' ')} | {ratio:.2f} × |" for key, name, ratio in variants]
    about = ", ".join(f"{key} {value}" for key, value in machine.items() if isinstance(value, str | int | float))
    return "\n".join(lines) + f"\n\nMeasured by `{made_by}` ({about}).\n"


def speed_section(name: str) -> str:
    """Write the table of a benchmark of evaluation."""
    path = RESULTS / "bench" / f"{name}.json"
    if not path.exists():
        return NOT_RUN
    result = json.loads(path.read_text())
    alone, training, beside = (result[part] for part in ("evaluation", "in_training", "torch_fidelity"))
    parts = ", ".join(f"{part.replace('_', ' ')} {seconds:.1f}" for part, seconds in alone["parts"].items())
    rows = [
        (f"{alone['num_samples']:,} samples by the quick metrics", f"{alone['seconds']:.1f} s", "60 s", parts),
        (
            f"share of training at every {training['every_kimg']:g} kimg, all standard metrics",
            f"{training['share']:.1%}",
            "5%",
            f"{training['evaluation_seconds']:.1f} s in {training['training_seconds']:,.0f} s of training",
        ),
        (
            f"time over that of torch-fidelity {beside['version']}, same images and metrics",
            f"{beside['ratio']:.2f} ×",
            "1 ×",
            f"{beside['ours_seconds']:.1f} s against {beside['theirs_seconds']:.1f} s",
        ),
    ]
    lines = ["| | measured | at most | of that |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    about = ", ".join(f"{key} {value}" for key, value in result["machine"].items() if isinstance(value, str | int))
    return "\n".join(lines) + f"\n\nMeasured by `python benchmarks/evaluation.py`, part of `make bench` ({about}).\n"


SECTIONS = {
    "run": run_section,
    "bench": bench_section,
    "study": study_section,
    "alarms": alarms_section,
    "speed": speed_section,
    "values": values_section,
    "made": made_section,
    "experiments": experiments_section,
    "networks": networks_section,
    "pictures": pictures_section,
    "losses": losses_section,
    "epochs": epochs_section,
    "findings": findings_section,
    "curves": curve_sections.curves_section,
    "accuracy": accuracy_sections.accuracy_section,
    "centers": center_sections.centers_section,
    "ratios": ratio_sections.ratios_section,
}
DRAWN = {  # they draw a picture too
    "accuracy": accuracy_sections,
    "centers": center_sections,
    "curves": curve_sections,
    "ratios": ratio_sections,
}


def filled(page: Path) -> str:
    """Return a page with every marked section in its current form; sections of studies link from docs/."""
    up = "../" * (len(page.parent.parts) - len(DOCS.parts))

    def section(match: re.Match[str]) -> str:
        kind, _, name = match.group(2).partition("/")
        body = SECTIONS[kind](name).replace("](results/", f"]({up}results/")
        return f"{match.group(1)}{body}{match.group(3)}"

    return MARK.sub(section, page.read_text())


def main(arguments: list[str]) -> int:
    """Run the command line above."""
    if arguments[:1] == ["collect"] and len(arguments) == 3:
        collect(Path(arguments[1]), arguments[2])
    elif arguments[:1] == ["collect-bench"] and len(arguments) == 2:
        collect_bench(Path(arguments[1]))
    elif arguments not in ([], ["--check"]):
        sys.stderr.write(__doc__ or "")
        return 2
    stale = [page for page in PAGES if filled(page) != page.read_text()]
    drawn = [part for page in PAGES for part in PARTS.findall(page.read_text()) if part[0] in DRAWN]
    undrawn = [(kind, name) for kind, name in drawn if not DRAWN[kind].is_current(name)]
    if arguments == ["--check"]:
        for what in [page.name for page in stale] + [f"the picture of {kind}/{name}" for kind, name in undrawn]:
            sys.stderr.write(f"{what} is not what docs/results/ gives: run `make pages`\n")
        return 1 if stale or undrawn else 0
    for kind, name in undrawn:
        DRAWN[kind].draw(name)
    for page in stale:
        page.write_text(filled(page))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
