"""The parts of a lab report's page: its experiments, its networks, its losses, and the pictures of its runs."""

from __future__ import annotations

import html
import itertools
import json
import re
import shlex
from typing import Any

from study_results import NOT_RUN, Result, load, made_by, of_variant, picture_of, place, seeds_of, short

COMMAND = ("python", "-m", "gan_experiments")
NOT_COLLECTED = "The runs that are here kept none.\n"
APART = ("losses",)  # pictures that have a section of their own
WIDE = ("inspection", "autoencoder")  # those that want a line of their own
FIRST = ("real", "samples", "drawn")  # those that want to be compared
SIDE_BY_SIDE = 3  # pictures
SAME_PACE = (  # what leaves the time of a step as it is, or nearly so
    "budget.", "evaluation", "sample_every_kimg=", "checkpoint_every_kimg=",
    "regime=first_n", "regime.first_n.num_images=",
)  # fmt: skip
LOSSES = ("discriminator/loss", "generator/loss")


def experiments_section(name: str) -> str:
    """Write each experiment's command, in full and as the study runs it, each with its time."""
    study, runs = load(name)
    lines = ["| variant | in full | short form |", "|---|---|---|"]
    for variant, of_seeds in runs.items():
        written = of_variant(study, variant)
        overrides = sorted([*study.get("common", []), *written["overrides"]], key=lambda word: not _is_experiment(word))
        full = written.get("full", [word for word in overrides if _is_experiment(word)])
        seeds = seeds_of(study, variant)
        brief, then = _code([*overrides, f"seed={seeds[0]}"]), _afterwards(study, variant)
        counts = f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"
        ended = counts + f": {len(of_seeds)} ended" * (len(of_seeds) < len(seeds)) if of_seeds else "not run yet"
        same_pace = all(word in full or word.startswith(SAME_PACE) for word in overrides)
        long_time, time = _times(of_seeds, same_pace)
        long = f"{_code(full)}{long_time}" if full else "none: ours"
        lines.append(f"| {variant}<br>{ended} | {long} | {brief}{time}{then} |")
    estimated = (
        ""
        if not any("<br>about " in line for line in lines)
        else (" That of the full form is estimated from it where a step does the same work.")
    )
    return "\n".join(lines) + (
        "\n\nThe numbers below are of the short form over the seeds named, its pictures of the first of them, its time "
        f"that of the fastest.{estimated}\n" + made_by(name, runs)
    )


def _afterwards(study: dict[str, Any], variant: str) -> str:
    """Write the verbs that are called on each of a variant's runs."""
    further = study.get("evaluate_with")
    verbs = [["evaluate", *further]] if further else []
    verbs += [[verb, *words] for verb, *words in study.get("after", {}).get(variant, [])]
    calls = [shlex.join(["gan-experiments", verb, "RUN", *words]) for verb, *words in verbs]
    return "".join(f"<br>then <code>{html.escape(call, quote=False)}</code>" for call in calls)


def _is_experiment(word: str) -> bool:
    return word.startswith("+experiment=")


def _times(of_seeds: list[Result], same_pace: bool) -> tuple[str, str]:
    """Write the time of the full form, where it can be estimated, and of the short one, each on a line of its own."""
    ended = [run for run in of_seeds if run["status"] == "finished"]
    if not ended:
        return "", ""
    fastest = min(ended, key=lambda run: run["seconds"])
    share = fastest.get("share_of_full") if same_pace else None
    short_time = _time(fastest["seconds"], fastest)
    return f"<br>about {_time(fastest['seconds'] / share, fastest)}" if share else "", f"<br>{short_time}"


def _time(seconds: float, run: Result) -> str:
    """Write a time and, where it is known, on how many threads."""
    threads = re.search(r"\((\d+) threads\)", run["machine"])
    on = f" ({threads[1]} thread{'s' if threads[1] != '1' else ''})" if threads else ""
    return (f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h") + on


def networks_section(name: str) -> str:
    """Write the layers of each pair of networks once, with their counts of parameters against the report's."""
    study, runs = load(name)
    of: dict[str, list[str]] = {}  # networks as JSON: the variants that have them
    for variant in runs:
        path = place(name) / f"{variant}-networks.json"
        if path.exists():
            of.setdefault(json.dumps(json.loads(path.read_text())), []).append(variant)
    pairs = [_networks(json.loads(facts), variants, study) for facts, variants in of.items()]
    if not pairs:
        return NOT_COLLECTED if any(runs.values()) else NOT_RUN
    ours = [variant for variant in runs if of_variant(study, variant).get("full") == []]
    besides = f" {', '.join(ours)} has none: there, those that were run." if ours else ""
    return "\n".join([f"The networks of the full form.{besides}\n", *pairs])


def _networks(facts: dict[str, dict[str, Any]], variants: list[str], study: dict[str, Any]) -> str:
    """Write the networks of some variants, and what a step of the generator trains of them."""
    parts = [f"**{', '.join(variants)}**\n"]
    for network, of in facts.items():
        expected = {study.get("counts", {}).get(variant, {}).get(network) for variant in variants} - {None}
        parts.append(_network(network.replace("_", " "), of, expected, study))
    if {"generator", "discriminator"} <= facts.keys():
        trained, frozen = (facts[network]["parameters"] for network in ("generator", "discriminator"))
        parts.append(
            f"Combined, as in a step of the generator: {trained:,} trainable and {frozen:,} frozen (the "
            f"discriminator's), {trained + frozen:,} in all.\n"
        )
    return "\n".join(parts)


def _network(network: str, facts: dict[str, Any], expected: set[int], study: dict[str, Any]) -> str:
    """Write one network's count and, folded, its layers."""
    against = "the report gives no count"
    if expected:
        same = "the same" if expected == {facts["parameters"]} else "**not the same**"
        against = f"{study['counts_are']}: {', '.join(f'{count:,}' for count in sorted(expected))}, {same}"
    rows = [
        f"| {row['name']} | {row['layer']} | {'×'.join(map(str, row['output_shape']))} | {row['parameters']:,} |"
        for row in facts["layers"]
    ]
    return "\n".join([
        f"{network.capitalize()}: {facts['parameters']:,} trainable parameters; {against}.\n",
        f"<details><summary>Layers of the {network}</summary>\n",
        "| layer | kind | output | trainable |",
        "|---|---|---|---|",
        *rows,
        "\n</details>\n",
    ])  # fmt: skip


def losses_section(name: str) -> str:
    """Write each variant's picture of losses."""
    _, runs = load(name)
    shown = {variant: picture_of(name, variant, "losses") for variant in runs}
    lines = [f"**{variant}**\n\n![Losses of {variant}]({path})\n" for variant, path in shown.items() if path]
    return "\n".join(lines) or (NOT_COLLECTED if any(runs.values()) else NOT_RUN)


def epochs_section(name: str) -> str:
    """Write a table of the mean losses of each epoch in which a network was trained, of each variant's first seed."""
    _, runs = load(name)
    columns: dict[str, list[str]] = {}
    seeds = set()
    for variant, of_seeds in runs.items():
        curves = of_seeds[0].get("curves", {}) if of_seeds else {}
        means = [curves.get(key, {}).get("epoch_means", []) for key in LOSSES]
        if any(means):
            rows = itertools.zip_longest(*means)
            seeds.add(of_seeds[0]["seed"])
            columns[variant] = [" / ".join("" if loss is None else short(loss) for loss in row) for row in rows]
    if not columns:
        return NOT_COLLECTED if any(runs.values()) else NOT_RUN
    lines = [f"| epoch | {' | '.join(f'{variant}<br>D / G' for variant in columns)} |", "|---|" + "---|" * len(columns)]
    for epoch, losses in enumerate(itertools.zip_longest(*columns.values(), fillvalue=""), 1):
        lines.append(f"| {epoch} | {' | '.join(losses)} |")
    return "\n".join(lines) + (
        "\n\nMean losses over the epochs in which each network was trained: under turns, a row is an epoch of D and "
        f"the epoch of G after it. Seed {' or '.join(map(str, sorted(seeds)))}.\n"
    )


def pictures_section(name: str) -> str:
    """Write each variant's pictures: real images beside the last samples, those before them, then the wider ones."""
    _, runs = load(name)
    parts = [_pictures_of(name, variant, of_seeds) for variant, of_seeds in runs.items() if of_seeds]
    return "\n".join(part for part in parts if part) or (NOT_COLLECTED if any(runs.values()) else NOT_RUN)


def _pictures_of(name: str, variant: str, of_seeds: list[Result]) -> str:
    """Write one variant's pictures."""
    titles = dict.fromkeys(title for run in of_seeds for title in run.get("pictures", {"samples": ""}))
    places = {title: picture_of(name, variant, title) for title in titles if title not in APART}
    places = {title: path for title, path in places.items() if path}
    compared = [title for title in places if title.partition("/")[0] in FIRST]
    wide = [title for title in places if title.startswith(WIDE)]
    before = [title for title in places if title not in (*compared, *wide)]
    parts = [f"**{variant}**\n"] if places else []
    groups = (compared, before) if len(compared + before) > SIDE_BY_SIDE else (compared + before,)
    for line in (group[at : at + SIDE_BY_SIDE] for group in groups for at in range(0, len(group), SIDE_BY_SIDE)):
        cells = " | ".join(f"![{variant}: {_plain(title)}]({places[title]})" for title in line)
        parts.append(f"| {' | '.join(map(_plain, line))} |\n|{'---|' * len(line)}\n| {cells} |\n")
    parts += [f"{_plain(title)}:\n\n![{variant}: {_plain(title)}]({places[title]})\n" for title in wide]
    return "\n".join(parts)


def _plain(title: str) -> str:
    """Name a picture by its title, which may be the path of a file."""
    if title == "samples":
        return "samples at the end"
    if title == "autoencoder":
        return "real images, each followed by its reconstruction by the autoencoder"
    picked = re.match(r"drawn/best(\d+)of(\d+)-by_([a-z]+)", title)
    if picked:
        return f"the best {picked[1]} of {picked[2]}, by {picked[3]}"
    return title.replace("/", ": ").replace("_", " ")


def _code(words: list[str]) -> str:
    """Write a command in a cell of a table, whatever it holds."""
    text = shlex.join([*COMMAND, *words])
    return f"<code>{html.escape(text, quote=False).replace('|', '&#124;')}</code>"
