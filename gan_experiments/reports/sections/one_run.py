"""The sections about one run; those of its metrics and curves are in files of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_experiments.config.keys import flat
from gan_experiments.formatting import brief_list, count, duration, moment, short, show, size
from gan_experiments.reports import images
from gan_experiments.reports.blocks import (
    Block,
    Bullets,
    Code,
    Details,
    Facts,
    Heading,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
    Widget,
)
from gan_experiments.runs.manifest import read_json, seconds_since
from gan_experiments.runs.run import Run
from gan_experiments.types import is_number

ENDINGS = {
    "finished": "The run reached its end.",
    "failed": "The run FAILED before its end.",
    "interrupted": "The run was INTERRUPTED before its end.",
    "running": "The run is still RUNNING: this is its state when this was written.",
}
CLOCKS = {"iteration": "iterations", "kimg": "kimg", "epoch": "epochs"}
SHOWN_GROUPS = ("regime", "model", "loss", "schedule", "augment")
REPOSITORIES = {"git": "gan_experiments", "user_git": "launched in"}
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
PAGES = ("report.html", "losses.png", "samples/real.png")
STOPS = 40  # of the slider through the grids
BUDGET = 4_000_000  # characters of the slider's pictures
LINKED = 12  # grids in Markdown
ALARM_COLUMNS = [("alarm", ""), ("action", ""), ("kimg", "number"), ("iteration", "number"), ("message", "wrap")]
LAYER_COLUMNS = [("name", "code first"), ("layer", ""), ("output shape", ""), ("parameters", "number")]
SESSION_COLUMNS = [
    *((name, "") for name in ("started", "ended", "time", "iterations", "device", "state")),
    ("changed", "wrap"),
]


def head(run: Run) -> list[Block]:
    """Return how the run ended, and what is wrong with its directory or went wrong in training."""
    resumable = " The command below resumes it." if run.state == "interrupted" and run.go_on else ""
    blocks: list[Block] = [Text(ENDINGS[run.state] + resumable, run.state, label=run.state)]
    if run.problem:
        blocks.append(Code(run.problem))
    blocks.append(Bullets([problem for problem in run.problems if problem != run.problem], "note"))
    if names := list(dict.fromkeys(show(alarm.get("alarm")) for alarm in run.manifest.alarms)):
        blocks.append(Text(", ".join(names), "note", label=f"Alarm{'s' * (len(names) > 1)}", link="alarms"))
    return blocks


def outline(run: Run) -> Section:
    """Return what identifies the run, and its commands."""
    blocks = [Facts(outline_facts(run)), Facts(notes(run), wide=True), *commands(run)]
    return Section("outline", "What was run, and how to run it again", blocks)


def outline_facts(run: Run) -> dict[str, str]:
    """Return the few facts that identify the run."""
    choices, sessions, reached = run.choices, run.manifest.sessions, run.reached
    known = {
        "experiment": run.manifest.experiment or choices.get("experiment"),
        "task": choices.get("task") if choices.get("task") != "gan" else None,
        "data": run.flat_config.get("dataset.name"),
        **{group: choices.get(group) for group in SHOWN_GROUPS},
        "seed": run.config.get("seed"),
        "trained": ", ".join(f"{short(reached[key], 5)} {unit}" for key, unit in CLOCKS.items() if key in reached),
        "parameters": "; ".join(f"{name} {number}" for name, number in _parameters(run).items()),
        "time": _time(run),
        "device": ", ".join(dict.fromkeys(one.device for one in sessions if one.device)),
        "started": moment(run.manifest.started),
        "ended": moment(run.manifest.ended) if run.state != "running" else None,
    }
    return {name: show(value) for name, value in known.items() if value not in (None, "", "none")}


def notes(run: Run) -> dict[str, str]:
    """Return what the user wrote about the run."""
    return {name: show(run.config[name]) for name in ("notes", "tags") if run.config.get(name)}


def commands(run: Run) -> list[Block]:
    """Return the command that makes such a run, and the one that resumes this one."""
    blocks: list[Block] = [Text("To run it again:", "soft"), Code(run.command or "(not in the manifest)", "bash")]
    if run.go_on:
        longer = " (MORE: a larger budget than it had)" * (run.state == "finished")
        blocks += [Text(f"To resume it{longer}:", "soft"), Code(run.go_on, "bash")]
    elif run.state == "running":
        blocks.append(Text("It cannot be resumed while it is running.", "soft"))
    else:
        text = "It has no checkpoint of its last state, so it cannot be resumed; the command above starts a new run."
        blocks.append(Text(text, "soft"))
    return blocks


def _time(run: Run) -> str:
    sessions = run.manifest.sessions
    if run.state == "running":
        started = seconds_since(sessions[-1].started if sessions else None)
        return "" if started is None else f"this session has been running for {duration(started)}"
    number = len(sessions)
    return f"{duration(run.seconds)} in {number} session{'s' * (number != 1)}" if run.seconds else ""


def samples(run: Run) -> Section:
    """Return a slider through the sample grids, beside real images."""
    linked: list[Block] = []
    if run.grids:
        last = len(run.grids) - 1
        chosen = sorted({round(at * last / (LINKED - 1)) for at in range(LINKED)})
        linked = [Pictures([Picture(path, f"{short(kimg)} kimg") for kimg, path in map(run.grids.__getitem__, chosen)])]
    else:
        has_generator = run.group("model").get("generator", True)
        linked = [Text("The run has no grid of samples." if has_generator else "The run trains no generator.")]

    def data() -> dict[str, Any]:
        grids = images.gather([run], budget=BUDGET, most_stops=STOPS)
        pictures, problems = grids.pictures.get(0, []), grids.problems.get(0, [])
        return {"pictures": pictures, "problems": problems, "real": images.read_real(run)}

    is_pictured = bool(run.grids) or (run.directory / "samples" / "real.png").is_file()
    return Section("samples", "Samples through training", [Widget("samples", data, linked)] if is_pictured else linked)


def alarms(run: Run) -> Section:
    """Return what the alarms reported, and which could not trigger yet."""
    blocks = alarms_reported(run) or [Text("No alarm was triggered.")]
    return Section("alarms", "Alarms", [*blocks, *(Text(sentence, "soft") for sentence in _alarms_not_started(run))])


def alarms_reported(run: Run) -> list[Block]:
    """Return the alarms and rollbacks in order; empty for none."""
    rows = []
    for alarm in run.manifest.alarms:
        kimg = alarm.get("kimg")
        reached = short(kimg) if is_number(kimg) else "unknown"
        about = [show(alarm.get(name)) for name in ("alarm", "action", "iteration", "message")]
        rows.append([*about[:2], reached, *about[2:]])
    rollbacks = [
        f"from iteration {show(back.get('from'))} to {show(back.get('to'))}: {show(back.get('reason'))}"
        for back in run.manifest.rollbacks
    ]
    table: list[Block] = [Table(ALARM_COLUMNS, rows)] if rows else []
    return [*table, Heading("Rollbacks"), Bullets(rollbacks)] if rollbacks else table


def _alarms_not_started(run: Run) -> list[str]:
    """Return the alarms whose threshold counts from a point that training has not reached; a classifier has none."""
    if not run.group("model").get("generator", True):
        return []
    begins = {name: alarm.get("after_kimg") for name, alarm in run.group("alarms").items() if isinstance(alarm, dict)}
    return [
        f"{show(name)} has a threshold that counts from {short(after)} kimg on, which was not reached."
        for name, after in begins.items()
        if is_number(after) and after > run.reached.get("kimg", 0.0)
    ]


def inspection(run: Run) -> Section | None:
    """Return all pictures of `gan-experiments inspect`."""
    paths = [path for path in run.directory.glob("inspection/**/*") if path.suffix.lower() in PICTURE_SUFFIXES]
    pictures = [Picture(path, str(path.relative_to(run.directory))) for path in sorted(paths) if path.is_file()]
    return Section("inspection", "Inside the discriminator", [Pictures(pictures, large=True)]) if pictures else None


def settings(run: Run) -> Section:
    """Return the command line, the code and the whole config."""
    overrides = [show(word) for word in run.manifest.overrides]
    choices = {show(group): show(choice) for group, choice in run.choices.items()}
    rows = [[key, show(value)] for key, value in run.flat_config.items()]
    blocks = [
        Heading("Command line"),
        Code("\n".join(overrides) or "(all defaults)"),
        Heading("Code"),
        Facts({name: run.commit(key) or "no git checkout" for key, name in REPOSITORIES.items()}, wide=True),
        Details(f"Choices of config groups ({len(choices)})", [Facts(choices)]),
        Details(
            f"The whole config ({len(rows)} keys)", [Table([("key", "code"), ("value", "wrap code")], rows, "tall")]
        ),
    ]
    return Section("settings", "Settings and code", blocks)


def data(run: Run) -> Section:
    """Return the images trained on and those held out."""
    blocks: list[Block] = [Facts(data_facts(run)), *_picture(run, "samples/real.png")]
    if reconstructions := _picture(run, "autoencoder.png"):
        text = "Each image is followed by its reconstruction; the reconstructions are trained on too."
        blocks += [Heading("Training images and their reconstructions"), Text(text, "soft"), *reconstructions]
    return Section("data", "Data and regime", blocks)


def data_facts(run: Run) -> dict[str, str]:
    """Return what is known of the images, and what was done to them."""
    dataset, used = run.group("dataset"), run.manifest.data
    image_size, channels = dataset.get("image_size"), dataset.get("channels")
    regime = flat(run.group("regime"))
    arguments = {key: value for key, value in regime.items() if not key.endswith(("_target_", "class_names"))}
    details = ", ".join(f"{key}={show(value)}" for key, value in arguments.items())
    held_out = count(dataset.get("num_test"))
    known = {
        "data set": dataset.get("name"),
        "images": f"{image_size}×{image_size}, {channels} channel{'s' * (channels != 1)}" if image_size else None,
        "classes": brief_list(names if isinstance(names := dataset.get("class_names"), list) else []),
        "training split": count(dataset.get("num_train")),
        "regime": f"{show(run.choices.get('regime'))}{f' ({details})' if details else ''}",
        "trained on": count(used.get("num_train")),
        "held out": held_out and f"{held_out} (the test split)",
        "augmentation": run.choices.get("augment"),
        "fingerprint of the images trained on": used.get("fingerprint"),
    }
    return {name: show(value) for name, value in known.items() if value not in (None, "")}


def _picture(run: Run, name: str) -> list[Block]:
    path = run.directory / name
    return [Pictures([Picture(path, name)])] if path.is_file() else []


def networks(run: Run) -> Section:
    """Return a table of layers for each network; a run without networks.json may have them as text."""
    blocks: list[Block] = []
    try:
        for name, network in read_json(run.directory / "networks.json").items():
            blocks += [Heading(name), _layers(network)]
    except (TypeError, KeyError, ValueError):
        blocks = []
    if not blocks:
        try:
            text = (run.directory / "networks.txt").read_text(encoding="utf-8", errors="replace")
            blocks = [Code(text.rstrip())]
        except OSError:
            blocks = [Text("The run has no layer table."), Facts(_parameters(run))]
    return Section("networks", "Networks", blocks)


def _layers(network: Mapping[str, Any]) -> Table:
    rows = []
    for layer in network["layers"]:
        shape = "×".join(str(int(size)) for size in layer["output_shape"])
        rows.append([str(layer["name"]), str(layer["layer"]), shape, f"{int(layer['parameters']):,}"])
    total = ["trainable parameters", "", "", f"{int(network['parameters']):,}"]
    return Table(LAYER_COLUMNS, [*rows, total], "tall total")


def _parameters(run: Run) -> dict[str, str]:
    """Return the number of trainable parameters of each network."""
    return {show(name): count(number) or show(number) for name, number in run.manifest.parameters.items()}


def environment(run: Run) -> Section:
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
    return Table(SESSION_COLUMNS, rows)


def files(run: Run) -> Section:
    """Return the files that a person opens: checkpoints, pages and pictures."""

    def size_of(path: Path) -> str:
        try:
            return size(path.stat().st_size)
        except OSError:  # it has vanished
            return "gone"

    pages = (path for path in map(run.directory.joinpath, PAGES) if path.is_file())
    sizes = {str(path): size_of(path) for path in [*sorted(run.directory.glob("checkpoints/*.pt")), *pages]}
    if run.grids:
        kimg, path = run.grids[-1]
        sizes[str(path)] = f"the last of {len(run.grids)} grids, at {short(kimg)} kimg"
    return Section("files", "Files", [Facts(sizes, wide=True)])
