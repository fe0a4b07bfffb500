"""The alarms of one run, its rollbacks, and the alarms that could not trigger yet."""

from collections.abc import Mapping
from typing import Any

from gan_experiments.formatting import short, show
from gan_experiments.reports.blocks import Block, Bullets, Heading, Section, Table, Text
from gan_experiments.runs.run import Run
from gan_experiments.types import is_number


def section(run: Run) -> Section:
    """Return what the alarms reported."""
    blocks = reported(run) or [Text("No alarm was triggered.")]
    return Section("alarms", "Alarms", [*blocks, *(Text(sentence, "soft") for sentence in not_started(run))])


def reported(run: Run) -> list[Block]:
    """Return the alarms and rollbacks in order; empty for none."""
    rows = [
        [*(show(alarm.get(name)) for name in ("alarm", "action")), *_when(alarm), show(alarm.get("message"))]
        for alarm in run.manifest.alarms
    ]
    rollbacks = [
        f"from iteration {show(back.get('from'))} to {show(back.get('to'))}: {show(back.get('reason'))}"
        for back in run.manifest.rollbacks
    ]
    columns = [("alarm", ""), ("action", ""), ("kimg", "number"), ("iteration", "number")]
    table: list[Block] = [Table([*columns, ("message", "wrap")], rows)] if rows else []
    return [*table, Heading("Rollbacks"), Bullets(rollbacks)] if rollbacks else table


def not_started(run: Run) -> list[str]:
    """Return the alarms whose threshold counts from a point that training has not reached; a classifier has none."""
    if not run.group("model").get("generator", True):
        return []
    begins = {name: alarm.get("after_kimg") for name, alarm in run.group("alarms").items() if isinstance(alarm, dict)}
    return [
        f"{show(name)} has a threshold that counts from {short(after)} kimg on, which was not reached."
        for name, after in begins.items()
        if is_number(after) and after > run.reached.get("kimg", 0.0)
    ]


def _when(alarm: Mapping[str, Any]) -> list[str]:
    kimg = alarm.get("kimg")
    return [short(kimg) if is_number(kimg) else "unknown", show(alarm.get("iteration"))]
