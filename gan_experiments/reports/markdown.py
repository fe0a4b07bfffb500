"""The lab report as Markdown, with links to the pictures of the runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gan_experiments.formatting import Written, block, escape, picture, short, table
from gan_experiments.reports.layers import Network
from gan_experiments.reports.measures import Measure
from gan_experiments.reports.run_summary import About
from gan_experiments.reports.table import Table
from gan_experiments.reports.table_export import markdown_lines
from gan_experiments.runs.run import Run

MARKDOWN_BEGINS = "<!-- report of gan-experiments -->"
MOST_PICTURES = 12


def single_as_markdown(about: About, unread: Sequence[Run], page: Path, title: str) -> str:
    """Write the report of one run for a file at `page`."""
    lines = [MARKDOWN_BEGINS, f"# {escape(title)}", "", *_ending(about), *_facts(about.outline), *_facts(about.notes)]
    lines += ["## How to run it again", "", *_how(about)]
    lines += ["## Data", "", *_facts(about.data), *_existing(about, ["samples/real.png"], page)]
    lines += _links(about.reconstructions, about, page)
    lines += ["## Networks", "", *_networks(about)]
    losses = _existing(about, ["losses.png"], page)
    lines += ["## Losses", "", *(losses or ["There is no losses.png: it is drawn when a run ends by itself.", ""])]
    lines += ["## Samples", "", *_samples(about, page)]
    lines += ["## Metrics", "", *_metrics(about), *_links(about.nearest[:1], about, page)]
    lines += _alarms(about, "##")
    if about.inspections:
        lines += ["## Inside the discriminator", "", *_links(about.inspections, about, page)]
    lines += ["## Environment", "", *_facts(about.environment), *_sessions(about)]
    return "\n".join([*lines, *_unread(unread)]) + "\n"


def several_as_markdown(comparison: Table, runs: Sequence[About], page: Path, title: str) -> str:
    """Write the report of several runs for a file at `page`: their comparison, then each run's own part."""
    lines = [MARKDOWN_BEGINS, f"# {escape(title)}", ""]
    if comparison.keys:
        rows = [
            [key, "; ".join(dict.fromkeys(row.settings[key] for row in comparison.rows))] for key in comparison.keys
        ]
        lines += ["## What differs", "", *table(["key", "values"], rows)]
    lines += ["## Comparison", "", *markdown_lines(comparison), ""]
    for about in runs:
        lines += [f"## Run {escape(about.name)}", "", *_ending(about), *_facts(about.outline), *_facts(about.notes)]
        lines += [*_how(about, short_form=True), *_alarms(about, "###"), *_metrics(about, protocols=False)]
        lines += _links([path for _, path in about.record.grids[-1:]], about, page)
        lines += _existing(about, ["losses.png"], page)
    return "\n".join(lines) + "\n"


def _ending(about: About) -> list[str]:
    lines = [f"**{escape(about.state)}.** {escape(about.ending)}", ""]
    if about.error:
        lines += ["What ended it:", "", *block(about.error)]
    return lines + [f"- {escape(problem)}" for problem in about.problems] + [""] * bool(about.problems)


def _how(about: About, short_form: bool = False) -> list[str]:
    lines = block(about.command or "(the manifest does not tell)", "bash")
    if about.go_on:
        lines += ["To go on with it:", "", *block(about.go_on, "bash")]
    if short_form:
        return lines
    lines += [f"On the command line: {escape(', '.join(about.overrides)) or 'nothing'}.", ""]
    lines += [*_facts({f"git, {name}": state for name, state in about.code.items()})]
    return lines + table(["group", "choice"], list(about.choices.items()))


def _networks(about: About) -> list[str]:
    if about.networks:
        return [line for network in about.networks for line in _network(network)]
    if about.networks_text:
        return block(about.networks_text.rstrip())
    return ["The run holds no layer table.", "", *_facts(about.parameters)]


def _network(network: Network) -> list[str]:
    rows = [[layer.name, layer.kind, layer.shape, f"{layer.parameters:,}"] for layer in network.layers]
    total = ["trainable parameters", "", "", Written(f"**{network.parameters:,}**")]
    return [f"### {escape(network.name)}", "", *table(["name", "layer", "output shape", "parameters"], [*rows, total])]


def _samples(about: About, page: Path) -> list[str]:
    """Link the first grids, some between, and the last."""
    found = about.record.grids
    if not found:
        return ["There are none." if about.has_generator else "The run trains no generator.", ""]
    last = len(found) - 1
    chosen = sorted({round(i * last / (MOST_PICTURES - 1)) for i in range(MOST_PICTURES)})
    cells = [Written(picture(found[i][1], page, f"samples at {short(found[i][0])} kimg")) for i in chosen]
    heads = [f"{short(found[i][0])} kimg" for i in chosen]
    lines: list[str] = []
    for start in range(0, len(cells), 3):
        lines += table(heads[start : start + 3], [cells[start : start + 3]])
    return lines


def _metrics(about: About, protocols: bool = True) -> list[str]:
    measures = about.measures
    if not measures.any:
        return ["Nothing was measured.", ""]
    lines = _measures([*measures.main, *(measures.parts if protocols else [])], protocols)
    lines += ["± is the half-width of the 95% interval over sampling seeds. Floor: held-out real images as samples"]
    lines += ["(* of fewer); ceiling: noise. Values of different protocols cannot be compared.", ""]
    if measures.best:
        lines += [f"The {escape(measures.best)}.", ""]
    if not protocols:
        return lines
    lines += [f"- {escape(key)}: not measured, {escape(reason)}" for key, reason in measures.not_applicable.items()]
    if measures.common:
        lines += ["", "All protocols share:", "", *_facts(measures.common)]
    own = [[", ".join(names), text] for names, text in measures.stated()]
    lines += ["What else each protocol states:", "", *table(["metrics", "facts"], own)]
    if measures.others:
        lines += ["Measured by other protocols:", "", *_measures(measures.others, protocols)]
    return lines


def _measures(measures: Sequence[Measure], protocols: bool) -> list[str]:
    heads = ["metric", "by", "value", "better", "floor", "ceiling", "samples", "at kimg", *["protocol"] * protocols]
    rows = [
        [found.name, found.extractor, found.value, found.better, found.floor, found.ceiling, found.samples, found.kimg]
        + [found.protocol] * protocols
        for found in measures
    ]
    return table(heads, rows)


def _alarms(about: About, level: str) -> list[str]:
    if not about.alarms and not about.rollbacks:
        none = [f"{level} Alarms", "", "None has rung.", *map(escape, about.unarmed), ""]
        return [] if level == "###" else none
    rows = [[alarm.name, alarm.when, alarm.action, alarm.message] for alarm in about.alarms]
    lines = [f"{level} Alarms", "", *table(["alarm", "when", "action", "what it said"], rows)]
    lines += [f"- Rolled back {escape(told)}" for told in about.rollbacks]
    return [*lines, ""]


def _sessions(about: About) -> list[str]:
    rows = [list(session.values()) for session in about.sessions]
    return ["### Sessions", "", *table(list(about.sessions[0]), rows)] if rows else []


def _facts(facts: Mapping[str, str]) -> list[str]:
    lines = [f"- {escape(name)}: {escape(text)}" for name, text in facts.items()]
    return [*lines, ""] if lines else []


def _existing(about: About, names: Sequence[str], page: Path) -> list[str]:
    return _links([path for name in names if (path := about.record.directory / name).is_file()], about, page)


def _links(paths: Sequence[Path], about: About, page: Path) -> list[str]:
    return [line for path in paths for line in (picture(path, page, str(path.relative_to(about.record.directory))), "")]


def _unread(unread: Sequence[Run]) -> list[str]:
    told = [f"- {escape(str(record.directory))}: {escape(record.problem)}" for record in unread]
    return ["## Not read", "", *told] if told else []
