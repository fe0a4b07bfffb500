"""The parts of a lab report's page: its experiments, its networks, and the pictures of its runs."""

from __future__ import annotations

import html
import json
from typing import Any

from study_results import NOT_RUN, Result, counted, load, of_variant, picture_of, place, seeds_of

COMMAND = "python -m gan_experiments"
NOT_COLLECTED = "The runs that are here kept none.\n"
APART = ("losses",)  # pictures that have a section of their own
WIDE = ("inspection", "drawn", "autoencoder")  # and those that want a line of their own


def experiments_section(name: str) -> str:
    """Write each experiment's command, in full and as the study runs it."""
    study, runs = load(name)
    lines = ["| experiment | in full | short form | runs |", "|---|---|---|---|"]
    for variant, of_seeds in runs.items():
        written = of_variant(study, variant)
        overrides = [*study.get("common", []), *written["overrides"]]
        experiment = [word for word in overrides if word.startswith("+experiment=")]
        full = " ".join([COMMAND, *written.get("full", experiment)])
        brief = of_seeds[0]["command"] if of_seeds else " ".join([COMMAND, *overrides])
        seeds = seeds_of(study, variant)
        ended = f"{len(of_seeds)} of {counted(len(seeds), 'seed')}" if of_seeds else "not run yet"
        lines.append(f"| {variant} | {_code(full)} | {_code(brief)} | {ended} |")
    return "\n".join(lines) + (
        "\n\nThe short form is what the numbers below are of: less training on the machine that is named with them. "
        f"`python benchmarks/study.py benchmarks/studies/{name}.yaml` runs all of it.\n"
    )


def networks_section(name: str) -> str:
    """Write the layers of each network once, with its count of parameters against the report's."""
    study, runs = load(name)
    of: dict[str, list[tuple[str, str, int | None]]] = {}  # layers as JSON: who has them
    for variant in runs:
        path = place(name) / f"{variant}-networks.json"
        if not path.exists():
            continue
        for network, facts in json.loads(path.read_text()).items():
            expected = study.get("counts", {}).get(variant, {}).get(network)
            of.setdefault(json.dumps(facts), []).append((variant, network, expected))
    tables = [_network(json.loads(facts), who, study) for facts, who in of.items()]
    return "\n".join(tables) or (NOT_COLLECTED if any(runs.values()) else NOT_RUN)


def _network(facts: dict[str, Any], who: list[tuple[str, str, int | None]], study: dict[str, Any]) -> str:
    """Write one network's layers."""
    names = dict.fromkeys(network.replace("_", " ") for _, network, _ in who)
    variants = dict.fromkeys(variant for variant, _, _ in who)
    expected = {count for _, _, count in who if count is not None}
    against = "; the report gives no count"
    if expected:
        same = expected == {facts["parameters"]}
        given = ", ".join(f"{count:,}" for count in sorted(expected))
        against = f"; {study['counts_are']}: {given}, {'the same' if same else '**not the same**'}"
    lines = [
        f"**{' and '.join(names).capitalize()}** of {', '.join(variants)}: {facts['parameters']:,} trainable "
        f"parameters{against}.",
        "",
        "| layer | kind | output | trainable |",
        "|---|---|---|---|",
    ]
    for row in facts["layers"]:
        shape = "×".join(map(str, row["output_shape"]))
        lines.append(f"| {row['name']} | {row['layer']} | {shape} | {row['parameters']:,} |")
    return "\n".join([*lines, ""])


def pictures_section(name: str) -> str:
    """Write each variant's pictures: real images beside samples over training, then the wider ones."""
    _, runs = load(name)
    parts = [_pictures_of(name, variant, of_seeds) for variant, of_seeds in runs.items() if of_seeds]
    return "\n".join(part for part in parts if part) or (NOT_COLLECTED if any(runs.values()) else NOT_RUN)


def losses_section(name: str) -> str:
    """Write each variant's picture of losses."""
    _, runs = load(name)
    shown = {variant: picture_of(name, variant, "losses") for variant in runs}
    lines = [f"**{variant}**\n\n![Losses of {variant}]({path})\n" for variant, path in shown.items() if path]
    return "\n".join(lines) or (NOT_COLLECTED if any(runs.values()) else NOT_RUN)


def _pictures_of(name: str, variant: str, of_seeds: list[Result]) -> str:
    """Write one variant's pictures."""
    titles = dict.fromkeys(title for run in of_seeds for title in run.get("pictures", {"samples": ""}))
    places = {title: picture_of(name, variant, title) for title in titles if title not in APART}
    places = {title: path for title, path in places.items() if path}
    narrow = [title for title in places if not title.startswith(WIDE)]
    parts = [f"**{variant}**\n"] if places else []
    if narrow:
        cells = " | ".join(_image(variant, title, places[title]) for title in narrow)
        parts.append(f"| {' | '.join(narrow)} |\n|{'---|' * len(narrow)}\n| {cells} |\n")
    parts += [f"{title}:\n\n{_image(variant, title, places[title])}\n" for title in places if title not in narrow]
    return "\n".join(parts)


def _image(variant: str, title: str, path: str) -> str:
    return f"![{variant}: {title}]({path})"


def _code(text: str) -> str:
    """Write a command in a cell of a table, whatever it holds."""
    return f"<code>{html.escape(text, quote=False).replace('|', '&#124;')}</code>"
