"""Runs as a table: what they differ in, what was measured, who is best."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gan_experiments.config.keys import LABELS, NOT_THE_EXPERIMENT, WATCHING, differing_keys, flat, within
from gan_experiments.formatting import encodable, show
from gan_experiments.runs.run import Run
from gan_experiments.types import MetricValue, is_number

Measured = dict[tuple[str, str], MetricValue]  # by key and protocol

DATA = "data"
"""Stands for the images themselves, where the config does not tell that they differ."""


@dataclass(frozen=True, eq=False)
class Column:
    """All values of one key that were measured by one protocol."""

    key: str
    protocol: str  # a hash
    number: int  # 1 for the protocol by which most runs were measured
    higher_is_better: bool
    part_of: str | None  # name of the metric that this one details
    facts: Mapping[str, Any]
    floor: float | None
    ceiling: float | None

    @property
    def name(self) -> str:
        return self.key.partition("/")[0]

    @property
    def heading(self) -> str:
        return self.key if self.number == 1 else f"{self.key} · protocol {self.number}"

    @property
    def arrow(self) -> str:
        return "↑" if self.higher_is_better else "↓"

    def badness(self, value: float) -> float:
        """Return what sorts the best value first."""
        return -value if self.higher_is_better else value


@dataclass(eq=False)
class Row:
    """A run that can be read."""

    record: Run
    name: str  # no other row's
    settings: dict[str, str]  # by differing key, as shown
    values: dict[Column, MetricValue]
    rank: int | None = None  # by the best column; None without a value there

    @cached_property
    def kimg(self) -> float | None:
        """How far it was trained, as far as is known."""
        known = [row["kimg"] for row in self.record.rows if math.isfinite(row.get("kimg", math.nan))]
        return max(known, default=None)

    def raw(self, key: str) -> Any:
        """Return the value of a differing key: a number as it is, all else as shown."""
        value = self.record.settings.get(key)
        return value if is_number(value) else self.settings[key]

    def value(self, column: Column | None) -> float | None:
        """Return its value in a column."""
        found = self.values.get(column) if column else None
        return found.value if found else None

    @property
    def difference(self) -> str:
        return ", ".join(f"{key}={value}" for key, value in self.settings.items())


@dataclass
class Table:
    """Runs, best first, and what they are compared by."""

    rows: list[Row]
    keys: list[str]  # in which they differ
    columns: list[Column]  # the best first
    best: Column | None  # by which they are ranked
    records: list[Run]  # all, readable or not

    @property
    def unread(self) -> list[Run]:
        return [record for record in self.records if record.state == "unreadable"]

    @cached_property
    def bests(self) -> dict[Column, float | None]:
        values = {
            column: [value.value for row in self.rows if (value := row.values.get(column))] for column in self.columns
        }
        return {
            column: min((value for value in values[column] if value is not None), key=column.badness, default=None)
            for column in self.columns
        }

    @cached_property
    def parts(self) -> list[Column]:
        names = {column.name for column in self.columns}
        return [column for column in self.columns if column.part_of in names]

    def main_columns(self, most: int) -> list[Column]:
        """Return the columns of the first metrics that are not parts of others."""
        names = list(dict.fromkeys(column.name for column in self.columns if column not in self.parts))
        main = [column for column in self.columns if column.name in names[:most]]
        firsts = {column.key: column for column in main if column.number == 1}

        def adds(column: Column) -> bool:
            """Return whether a run has a value by this protocol alone."""
            return any(column in row.values and firsts[column.key] not in row.values for row in self.rows)

        return [column for column in main if column.number == 1 or adds(column)]

    def protocols(self) -> list[tuple[list[Column], dict[str, tuple[str, str]]]]:
        """Return the columns that are not their key's first with the facts that differ: the first's, and their own."""
        firsts = {column.key: flat(column.facts) for column in self.columns if column.number == 1}
        found: dict[str, tuple[list[Column], dict[str, tuple[str, str]]]] = {}
        for column in self.columns:
            if column.number > 1:
                first, own = firsts[column.key], flat(column.facts)
                keys = [key for key in dict.fromkeys([*first, *own]) if first.get(key) != own.get(key)]
                differing = {key: (show(first.get(key)), show(own.get(key))) for key in keys}
                found.setdefault(f"{column.number} {differing}", ([], differing))[0].append(column)
        return list(found.values())


def tabulate(records: Sequence[Run]) -> Table:
    """Put runs into a table; those that cannot be read stay outside it."""
    readable = [record for record in records if record.state != "unreadable"]
    measured = [record.measured() for record in readable]
    columns = _columns(measured)
    best = _best(readable, measured, columns)
    columns.sort(key=lambda column: column is not best)
    keys = [key for key in differing_keys(readable) if not within(key, (*LABELS, *WATCHING))]
    if len(set(map(identity, readable))) > len({identity(record, data=False) for record in readable}):
        keys.append(DATA)
    by_id = {(column.key, column.protocol): column for column in columns}
    rows = []
    for record, name, values in zip(readable, names(readable), measured, strict=True):
        settings = {key: show(_images(record) if key == DATA else record.settings.get(key)) for key in keys}
        rows.append(Row(record, name, settings, {by_id[place]: value for place, value in values.items()}))
    ranked = [row for row in rows if row.value(best) is not None]
    if best:
        ranked.sort(key=lambda row: best.badness(row.value(best) or 0.0))
    for rank, row in enumerate(ranked, 1):
        row.rank = rank
    rows = [*ranked, *(row for row in rows if row.rank is None)]
    return Table(rows, keys, columns, best, list(records))


def names(records: Sequence[Run]) -> list[str]:
    """Name runs, no two alike: by their directories where names are."""
    found = [encodable(record.name) for record in records]
    for parts in (2, None):
        counts = Counter(found)
        for i, record in enumerate(records):
            if counts[found[i]] > 1:
                place = record.directory if parts is None else "/".join(record.directory.parts[-parts:])
                found[i] = f"{encodable(record.name)} ({encodable(str(place))})"
    return found


def _columns(measured: Iterable[Measured]) -> list[Column]:
    """Return a column for each key and protocol, the keys in their own order, the commonest protocol first."""
    found: dict[str, dict[str, list[MetricValue]]] = {}
    for values in measured:
        for (key, protocol), value in values.items():
            found.setdefault(key, {}).setdefault(protocol, []).append(value)
    columns = []
    for key, by_protocol in found.items():
        commonest = sorted(by_protocol.items(), key=lambda item: -len(item[1]))
        for number, (protocol, same) in enumerate(commonest, 1):
            floor = next((value.floor for value in same if value.floor is not None), None)
            ceiling = next((value.ceiling for value in same if value.ceiling is not None), None)
            higher = any(value.spec.higher_is_better for value in same)
            part_of = next((value.spec.part_of for value in same if value.spec.part_of is not None), None)
            columns.append(Column(key, protocol, number, higher, part_of, same[0].protocol, floor, ceiling))
    order = list(dict.fromkeys(column.name for column in columns))
    return sorted(columns, key=lambda column: order.index(column.name))


def _best(records: Sequence[Run], measured: Sequence[Measured], columns: Sequence[Column]) -> Column | None:
    """Return the column of the metric that most runs keep their best checkpoint by, else the first."""
    wanted: Counter[str] = Counter()
    for record, values in zip(records, measured, strict=True):
        name = record.flat_config.get("evaluation.best")
        wanted.update([key for key, _ in values if key.startswith(f"{name}/")][:1])
    keys = [key for key, _ in wanted.most_common(1)]
    return next((column for column in columns if column.key in keys), columns[0] if columns else None)


def identity(record: Run, data: bool = True) -> str:
    """Return what is equal for runs that are equal in everything but their seed, in labels and in places.

    Args:
        record: the run.
        data: take the images themselves in, not only what the config says of them.
    """
    config = {key: value for key, value in record.flat_config.items() if not within(key, NOT_THE_EXPERIMENT)}
    return json.dumps([config, _images(record) if data else None], sort_keys=True, default=str)


def _images(record: Run) -> Any:
    """Return the fingerprint of the data set before the regime, which may choose images by the seed."""
    found = record.manifest.data
    return found.get("source_fingerprint", found.get("fingerprint") if record.choices.get("regime") == "none" else None)
