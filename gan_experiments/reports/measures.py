"""What was measured of one run: the newest value of each metric, and what all of them depend on."""

from dataclasses import dataclass
from typing import Any

from gan_experiments.config.keys import flat
from gan_experiments.formatting import count, encodable, floor, short, show, with_interval
from gan_experiments.runs.run import Run
from gan_experiments.types import MetricValue, is_number


@dataclass(frozen=True)
class Measure:
    """One value, written for reading."""

    name: str
    extractor: str
    value: str  # with half its interval
    interval: str  # 95%, from and to
    better: str  # which way
    floor: str
    ceiling: str
    samples: str  # how many were measured
    kimg: str  # at which
    protocol: str  # a hash
    own: dict[str, str]  # facts of its protocol that are not common to all


@dataclass(frozen=True)
class Measures:
    """All values of a run."""

    main: list[Measure]  # the newest of each metric
    parts: list[Measure]  # of metrics that are parts of others, as fid_half and class_fid_0 are
    others: list[Measure]  # of the same metrics, by other protocols
    common: dict[str, str]  # facts that all their protocols share
    not_applicable: dict[str, str]  # the reason by key
    best: str  # by what the best checkpoint was chosen

    @property
    def any(self) -> bool:
        return bool(self.main or self.parts)

    def stated(self) -> list[tuple[list[str], str]]:
        """Return what protocols state beyond what all share: the metrics by each of them, and its facts, written out.

        Only the newest value of each metric is spoken of; its parameters stand with its name.
        """
        found: dict[str, list[str]] = {}
        for measure in (*self.main, *self.parts):
            of_metric = {
                key: text for key, text in measure.own.items() if key.partition(".")[0] in ("metric", "parameters")
            }
            rest = {key: text for key, text in measure.own.items() if key not in of_metric}
            parameters = [f"{key.partition('.')[2]}={text}" for key, text in of_metric.items() if "." in key]
            name = f"{measure.name} ({', '.join(parameters)})" if parameters else measure.name
            text = "; ".join(f"{key}: {text}" for key, text in rest.items())
            found.setdefault(text or "nothing", []).append(name)
        return [(names, text) for text, names in found.items()]


def read_measures(record: Run) -> Measures:
    """Read what training and `gan-experiments evaluate` have measured."""
    found = record.measured()
    facts = {place: {key: show(value) for key, value in flat(value.protocol).items()} for place, value in found.items()}
    common = _common(list(facts.values()))
    newest = {key: place for place in found for key in [place[0]]}  # the newest stands last
    names = {key.partition("/")[0] for key in newest}
    main, parts, others = [], [], []
    order = _order(record)
    for place, value in sorted(
        found.items(), key=lambda item: order.index(item[0][0]) if item[0][0] in order else len(order)
    ):
        own = {key: text for key, text in facts[place].items() if key not in common}
        measure = _measure(place, value, own)
        if newest[place[0]] != place:
            others.append(measure)
        elif value.spec.part_of in names:
            parts.append(measure)
        else:
            main.append(measure)
    return Measures(main, parts, others, common, _not_applicable(record, newest), _best(record))


def _order(record: Run) -> list[str]:
    """Return the keys as training names them, that of the best checkpoint first."""
    best = record.best.get("key")
    return [*([str(best)] if best else []), *record.evaluation.values]


def _common(facts: list[dict[str, str]]) -> dict[str, str]:
    """Return the facts that all share; none for fewer than two, which are told by themselves."""
    if len(facts) < 2:
        return {}
    return {key: text for key, text in facts[0].items() if all(other.get(key) == text for other in facts)}


def _measure(place: tuple[str, str], value: MetricValue, own: dict[str, str]) -> Measure:
    name, _, extractor = encodable(place[0]).partition("/")
    low, high = value.interval or (None, None)
    return Measure(
        name=name,
        extractor=extractor,
        value=with_interval(value),
        interval="" if value.interval is None else f"{short(low)} to {short(high)}",
        better="↑ higher" if value.spec.higher_is_better else "↓ lower",
        floor=floor(value),
        ceiling=short(value.ceiling),
        samples=count(value.protocol.get("num_samples")) or "",
        kimg=short(value.kimg),
        protocol=value.protocol_hash,
        own=own,
    )


def _not_applicable(record: Run, measured: dict[str, Any]) -> dict[str, str]:
    """Return why metrics that were asked for were not measured."""
    told: dict[str, str] = {}
    for source in record.evaluations:
        told |= source.not_applicable
    return {encodable(key): show(reason) for key, reason in told.items() if key not in measured}


def _best(record: Run) -> str:
    best = record.best
    if not is_number(best.get("value")):
        return ""
    where = f" at {short(best['kimg'])} kimg" if is_number(best.get("kimg")) else ""
    return f"best.pt is the generator{where}, by {show(best.get('key'))}: {short(best['value'])}"
