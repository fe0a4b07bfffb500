"""The machine, the versions and the sessions of one run."""

from gan_experiments.formatting import duration, moment, show
from gan_experiments.reports.blocks import Block, Code, Facts, Heading, Section, Table, Text
from gan_experiments.runs.run import Run

COLUMNS = [*((name, "") for name in ("started", "ended", "time", "iterations", "device", "state")), ("changed", "wrap")]


def section(run: Run) -> Section:
    """Return where and when it ran."""
    parts = run.manifest.machine | run.manifest.versions
    blocks: list[Block] = [Facts({show(name): show(value) for name, value in parts.items()}), Heading("Sessions")]
    blocks += [sessions(run) if run.manifest.sessions else Text("None is recorded.")]
    blocks += [Text("The run's directory when this was written:", "soft"), Code(str(run.directory))]
    return Section("environment", "Environment", blocks)


def sessions(run: Run) -> Table:
    """Return each session: when, how long, from where to where, on what, and what it changed."""
    rows = [
        [
            moment(session.started),
            moment(session.ended),
            "–" if session.seconds is None else duration(session.seconds),
            f"{show(session.from_iteration)} to {show(session.to_iteration)}",
            show(session.device),
            show(session.status),
            ", ".join(session.overrides) if number else "",
        ]
        for number, session in enumerate(run.manifest.sessions)
    ]
    return Table(COLUMNS, rows)
