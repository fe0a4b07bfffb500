"""What was measured of one run: the newest value of each metric, and what its protocol states."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan_experiments.config.keys import flat
from gan_experiments.formatting import count, floor, short, show
from gan_experiments.reports.blocks import (
    Block,
    Cell,
    Details,
    Facts,
    Heading,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
)
from gan_experiments.runs.manifest import modified
from gan_experiments.runs.run import Run
from gan_experiments.types import MetricValue, is_number

COLUMNS = [
    ("metric", "first sort"), ("value ± 95%", "number sort"), ("95% interval", "screen"), ("floor", "number"),
    ("ceiling", "number"), ("samples", "number"), ("kimg", "number"), ("by", "sort"), ("protocol", "code"),
]  # fmt: skip
LEGEND = (
    "↓ lower is better, ↑ higher. ± is the half-width of the 95% interval over sampling seeds (one seed has none). "
    "Floor: held-out real images in place of samples (* of fewer images, which makes a FID larger). Ceiling: noise. "
    "Values of different protocols cannot be compared."
)


@dataclass(frozen=True)
class Measured:
    """All values of a run, those of the best checkpoint's metric first."""

    main: list[MetricValue]  # the newest of each metric
    parts: list[MetricValue]  # of metrics that are parts of others, as fid_half is of fid
    others: list[MetricValue]  # older ones of the same metrics, by other protocols


def section(run: Run) -> Section:
    """Return the values with their protocols, and the nearest training images where they were searched."""
    measured = read(run)
    blocks = [*main_table(run, measured)]
    if measured.parts:
        title = f"Parts of these, such as by class ({len(measured.parts)})"
        blocks.append(Details(title, [table(measured.parts)]))
    if measured.others:
        title = f"Older values by other protocols ({len(measured.others)})"
        blocks.append(Details(title, [table(measured.others)]))
    values = [*measured.main, *measured.parts]
    names = [*(value.name for value in values), *(f"{value.name} ({value.protocol_hash})" for value in measured.others)]
    blocks += protocol_blocks(list(zip(names, (value.protocol for value in [*values, *measured.others]), strict=True)))
    if reasons := _not_measured(run, measured):
        blocks += [Heading("Not measured"), Facts(reasons, wide=True)]
    return Section("metrics", "Metrics", [*blocks, *_nearest(run)])


def read(run: Run) -> Measured:
    """Read what training and `gan-experiments evaluate` have measured."""
    values = list(run.measured().values())  # the newest last
    newest = {value.key: value for value in values}
    names = {value.name for value in values}
    order = [str(run.best.get("key")), *run.evaluation.values]
    values.sort(key=lambda value: order.index(value.key) if value.key in order else len(order))
    current = [value for value in values if newest[value.key] is value]
    return Measured(
        main=[value for value in current if value.spec.part_of not in names],
        parts=[value for value in current if value.spec.part_of in names],
        others=[value for value in values if newest[value.key] is not value],
    )


def main_table(run: Run, measured: Measured) -> list[Block]:
    """Return the newest value of each metric, and what chose the best checkpoint."""
    if not measured.main and not measured.parts:
        return [Text("Nothing was measured.")]
    best = run.best
    blocks: list[Block] = [table(measured.main), Text(LEGEND, "soft")]
    if is_number(best.get("value")):
        where = f" at {short(best['kimg'])} kimg" if is_number(best.get("kimg")) else ""
        blocks.insert(0, Text(f"best.pt is the generator{where}, by {show(best.get('key'))}: {short(best['value'])}."))
    return blocks


def table(values: Iterable[MetricValue]) -> Table:
    """Return a row for each value."""
    rows = [
        [
            f"{value.name} {'↑' if value.spec.higher_is_better else '↓'}",
            value_cell(value),
            " to ".join(map(short, value.interval or ())),
            floor(value),
            short(value.ceiling),
            count(value.protocol.get("num_samples")) or "",
            short(value.kimg),
            value.extractor,
            value.protocol_hash,
        ]
        for value in values
    ]
    return Table(COLUMNS, rows, "tall measures")


def value_cell(value: MetricValue | None, best: bool = False) -> Cell:
    """Return a value with the half-width of its interval, and when it was measured as a hint."""
    if value is None or value.value is None:
        return Cell("" if value is None else "undefined")
    hints = [f"95% {short(value.interval[0])} to {short(value.interval[1])}"] if value.interval else []
    hints += [f"at {short(value.kimg)} kimg"] if value.kimg is not None else []
    return Cell(short(value.value), value.value, short(value.half_width, 2), best, "; ".join(hints))


def protocol_blocks(protocols: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Block]:
    """Return what the protocols of some metrics, given by their names, all state, and what each states beyond that."""
    facts = [(name, {key: show(fact) for key, fact in flat(dict(protocol)).items()}) for name, protocol in protocols]
    first = facts[0][1] if facts else {}
    shared = {key: fact for key, fact in first.items() if all(own.get(key) == fact for _, own in facts)}
    rows: dict[str, list[str]] = {}
    for name, own in facts:
        rest = {key: fact for key, fact in own.items() if key not in shared and key != "metric"}
        parameters = [f"{key.partition('.')[2]}={rest.pop(key)}" for key in list(rest) if key.startswith("parameters.")]
        text = "; ".join(f"{key}: {fact}" for key, fact in rest.items() if key != "parameters")
        rows.setdefault(text, []).append(f"{name} ({', '.join(parameters)})" if parameters else name)
    cells = [[", ".join(dict.fromkeys(names)), text] for text, names in rows.items()]
    beyond = Details("What else each protocol states", [Table([("metrics", "wrap"), ("beyond that", "wrap")], cells)])
    common = [Details("What all these protocols share", [Facts(shared)], opened=True)] if shared else []
    return [*common, beyond] if set(rows) - {""} else [*common]


def _not_measured(run: Run, measured: Measured) -> dict[str, str]:
    """Return why metrics of the config were not measured, by key."""
    reasons: dict[str, str] = {}
    for evaluation in run.evaluations:
        reasons |= {key: show(reason) for key, reason in evaluation.not_applicable.items()}
    known = {value.key for value in (*measured.main, *measured.parts)}
    return {key: reason for key, reason in reasons.items() if key not in known}


def _nearest(run: Run) -> list[Block]:
    """Return the newest picture of samples above the training images nearest to them."""
    path = max(run.directory.glob("evaluation/*-nearest.png"), key=modified, default=None)
    if path is None:
        return []
    text = (
        "Rows alternate: samples, and below each the training image nearest to it by the extractor's features. A copy "
        "would be the same image twice."
    )
    picture = Picture(path, str(path.relative_to(run.directory)))
    return [Heading("Samples and the training images nearest to them"), Text(text, "soft"), Pictures([picture])]
