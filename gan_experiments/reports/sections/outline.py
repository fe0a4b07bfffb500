"""What was run, how it ended, and the commands that run or resume it."""

from gan_experiments.formatting import duration, moment, short, show
from gan_experiments.reports.blocks import Block, Bullets, Code, Facts, Section, Text
from gan_experiments.reports.sections.networks import parameters
from gan_experiments.runs.reading import seconds_since
from gan_experiments.runs.run import Run

ENDINGS = {
    "finished": "The run reached its end.",
    "failed": "The run FAILED before its end.",
    "interrupted": "The run was INTERRUPTED before its end.",
    "running": "The run is still RUNNING: this is its state when this was written.",
}
CLOCKS = {"iteration": "iterations", "kimg": "kimg", "epoch": "epochs"}
SHOWN_GROUPS = ("regime", "model", "loss", "schedule", "augment")


def section(run: Run) -> Section:
    """Return what identifies the run, and its commands."""
    blocks = [Facts(facts(run)), Facts(notes(run), wide=True), *commands(run)]
    return Section("outline", "What was run, and how to run it again", blocks)


def head(run: Run) -> list[Block]:
    """Return how the run ended, and what is wrong with its directory or went wrong in training."""
    resumable = " The command below resumes it." if run.state == "interrupted" and run.go_on else ""
    blocks: list[Block] = [Text(ENDINGS[run.state] + resumable, run.state, label=run.state)]
    if run.problem:
        blocks.append(Code(run.problem))
    blocks.append(Bullets([problem for problem in run.problems if problem != run.problem], "note"))
    if alarms := list(dict.fromkeys(show(alarm.get("alarm")) for alarm in run.manifest.alarms)):
        blocks.append(Text(", ".join(alarms), "note", label=f"Alarm{'s' * (len(alarms) > 1)}", link="alarms"))
    return blocks


def facts(run: Run) -> dict[str, str]:
    """Return the few facts that identify the run."""
    choices, sessions, reached = run.choices, run.manifest.sessions, run.reached
    known = {
        "experiment": run.manifest.experiment or choices.get("experiment"),
        "task": choices.get("task") if choices.get("task") != "gan" else None,
        "data": run.flat_config.get("dataset.name"),
        **{group: choices.get(group) for group in SHOWN_GROUPS},
        "seed": run.config.get("seed"),
        "trained": ", ".join(f"{short(reached[key], 5)} {unit}" for key, unit in CLOCKS.items() if key in reached),
        "parameters": "; ".join(f"{name} {count}" for name, count in parameters(run).items()),
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
    count = len(sessions)
    return f"{duration(run.seconds)} in {count} session{'s' * (count != 1)}" if run.seconds else ""
