"""`show`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_experiments.formatting import print_json, say
from gan_experiments.runs.run import Run


def show(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Show all sections of the report, and what its page folds.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")] = False,
) -> None:
    """Show what a run was, its state, what it measured, what went wrong, where its files are, and how to resume it."""
    from gan_experiments.reports import terminal
    from gan_experiments.reports.lab_report import run_sections
    from gan_experiments.reports.sections import curves, metrics, one_run

    run = Run.open(directory)
    if as_json:
        print_json(_facts(run))
        return
    say(str(run.directory))
    terminal.show_blocks(one_run.head(run))
    of_networks = (metrics.section, curves.section, one_run.alarms, one_run.files, one_run.environment)
    brief = (one_run.outline, one_run.data, *of_networks)
    sections = [*run_sections(run), one_run.files(run)] if everything else [section(run) for section in brief]
    terminal.show(sections, everything)


def _facts(run: Run) -> dict[str, Any]:
    from gan_experiments.reports.sections.curves import last_losses

    manifest = run.manifest
    return {
        "path": str(run.directory),
        "state": run.state,
        "problems": run.problems,
        "experiment": manifest.experiment,
        "name": run.config.get("name"),
        "notes": run.config.get("notes"),
        "command": run.command,
        "started": manifest.started,
        "seconds": run.seconds,
        "data": {"dataset": run.flat_config.get("dataset.name"), **manifest.data},
        "parameters": manifest.parameters,
        "reached": run.reached,
        "losses": last_losses(run),
        "alarms": manifest.alarms,
        "checkpoints": [str(path) for path in sorted(run.directory.glob("checkpoints/*.pt"))],
        "grids": [str(path) for _, path in run.grids],
        "environment": {**manifest.versions, "commit": run.commit() or None, **manifest.machine},
        "resume": run.go_on,
        "metrics": [{"key": value.key, **value.to_json()} for value in run.measured().values()],
    }
