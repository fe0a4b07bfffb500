"""What a report says of one run, in words: what it was, how it ended, how to run it again, on what it was made."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gan_experiments.config.keys import flat
from gan_experiments.formatting import brief_list, count, duration, encodable, moment, short, show
from gan_experiments.reports.layers import Network, read_networks, read_text
from gan_experiments.reports.measures import Measures, read_measures
from gan_experiments.runs.reading import modified
from gan_experiments.runs.run import Run
from gan_experiments.types import is_number

ENDINGS = {
    "finished": "It ran to its end.",
    "failed": "It FAILED and did not reach its end.",
    "interrupted": "It was INTERRUPTED before its end.",
    "running": "It is still RUNNING: this is how it stood when the report was made.",
}
CLOCK = {
    "iteration": "iterations",
    "kimg": "kimg",
    "epoch": "epochs",
    "discriminator_steps": "discriminator steps",
    "generator_steps": "generator steps",
}
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


@dataclass(frozen=True)
class Alarm:
    """What an alarm said."""

    name: str
    when: str
    action: str
    message: str


@dataclass(frozen=True)
class About:
    """One readable run; everything is text that may be shown."""

    record: Run
    name: str  # no other's in the report

    @property
    def state(self) -> str:
        return self.record.state

    @property
    def ending(self) -> str:
        further = " The resume line below goes on with it." if self.state == "interrupted" and self.go_on else ""
        return ENDINGS[self.state] + further

    @property
    def error(self) -> str:
        """Return the error that ended it; empty for none."""
        return encodable(self.record.problem)

    @cached_property
    def problems(self) -> list[str]:
        return [encodable(problem) for problem in self.record.problems if problem != self.record.problem]

    @cached_property
    def outline(self) -> dict[str, str]:
        manifest, choices = self.record.manifest, self.record.choices
        told = [session.device for session in self.record.manifest.sessions if session.device]
        reached = {word: text for word, text in self.reached.items() if word in ("iterations", "kimg", "epochs")}
        found = {
            "experiment": manifest.experiment or choices.get("experiment"),
            "task": choices.get("task") if choices.get("task") != "gan" else None,
            "data": self.record.flat_config.get("dataset.name"),
            **{group: choices.get(group) for group in ("regime", "model", "loss", "schedule", "augment")},
            "seed": self.record.config.get("seed"),
            "trained": ", ".join(f"{text} {word}" for word, text in reached.items()),
            "time": duration(self.record.seconds) if self.record.seconds else None,
            "device": ", ".join(dict.fromkeys(map(show, told))),
            "started": moment(manifest.started),
            "ended": moment(manifest.ended) if self.state != "running" else None,
        }
        return {name: show(value) for name, value in found.items() if value not in (None, "", "none")}

    @cached_property
    def reached(self) -> dict[str, str]:
        return {CLOCK[name]: short(value, 5) for name, value in self.record.reached.items()}

    @property
    def command(self) -> str:
        """Return the command line that makes such a run."""
        return encodable(self.record.command)

    @property
    def overrides(self) -> list[str]:
        """Return what the command line said, as typed."""
        return [show(word) for word in self.record.manifest.overrides]

    @property
    def go_on(self) -> str:
        """Return the command line that goes on with it; empty where that cannot be done."""
        return encodable(self.record.go_on)

    @property
    def notes(self) -> dict[str, str]:
        found = {name: self.record.config.get(name) for name in ("notes", "tags")}
        return {name: show(value) for name, value in found.items() if value}

    @cached_property
    def code(self) -> dict[str, str]:
        """Say by which commits it ran: of the framework and of the directory it was launched in."""
        names = {"git": "gan_experiments", "user_git": "launched in"}
        return {word: show(self.record.commit(key) or "no git checkout") for key, word in names.items()}

    @property
    def choices(self) -> dict[str, str]:
        return {show(group): show(choice) for group, choice in self.record.choices.items()}

    @property
    def settings(self) -> dict[str, str]:
        return {encodable(key): show(value) for key, value in self.record.flat_config.items()}

    @cached_property
    def data(self) -> dict[str, str]:
        dataset, used = self.record.group("dataset"), self.record.manifest.data
        names = dataset.get("class_names")
        size, channels = dataset.get("image_size"), dataset.get("channels")
        regime = flat(self.record.group("regime"))
        told = {key: value for key, value in regime.items() if not key.endswith(("_target_", "class_names"))}
        details = ", ".join(f"{key}={show(value)}" for key, value in told.items())
        found = {
            "data set": dataset.get("name"),
            "images": f"{size}×{size}, {channels} channel{'s' * (channels != 1)}" if size else None,
            "classes": brief_list(names if isinstance(names, list) else []),
            "training split": count(dataset.get("num_train")),
            "regime": f"{show(self.record.choices.get('regime'))}{f' ({details})' if details else ''}",
            "trained on": count(used.get("num_train")),
            "held out": count(dataset.get("num_test")) and f"{count(dataset.get('num_test'))} (the test split)",
            "augmentation": self.record.choices.get("augment"),
            "fingerprint of the images trained on": used.get("fingerprint"),
        }
        return {name: show(value) for name, value in found.items() if value not in (None, "")}

    @cached_property
    def networks(self) -> list[Network]:
        return read_networks(self.record.directory)

    @cached_property
    def networks_text(self) -> str:
        return "" if self.networks else read_text(self.record.directory)

    @property
    def parameters(self) -> dict[str, str]:
        counts = self.record.manifest.parameters
        return {show(name): count(number) or show(number) for name, number in counts.items()}

    @cached_property
    def measures(self) -> Measures:
        return read_measures(self.record)

    @property
    def has_generator(self) -> bool:
        """Whether a generator is trained, as far as is known."""
        return bool(self.record.group("model").get("generator", True))

    @cached_property
    def unarmed(self) -> list[str]:
        """Return which alarms counted from a point on that training has not reached; none looks at a classifier."""
        if not self.has_generator:
            return []
        kimg = self.record.reached.get("kimg", 0.0)
        begins = {
            name: self.record.flat_config.get(f"alarms.{name}.after_kimg") for name in self.record.group("alarms")
        }
        return [
            f"{show(name)} has a threshold that counts from {short(after)} kimg on, which was not reached."
            for name, after in begins.items()
            if is_number(after) and after > kimg
        ]

    @cached_property
    def alarms(self) -> list[Alarm]:
        return [
            Alarm(show(said.get("alarm")), _kimg(said), show(said.get("action")), show(said.get("message")))
            for said in self.record.manifest.alarms
        ]

    @cached_property
    def rollbacks(self) -> list[str]:
        return [
            f"from iteration {show(back.get('from'))} to {show(back.get('to'))}: {show(back.get('reason'))}"
            for back in self.record.manifest.rollbacks
        ]

    @cached_property
    def inspections(self) -> list[Path]:
        found = self.record.directory.glob("inspection/**/*")
        return sorted(path for path in found if path.suffix.lower() in PICTURES and path.is_file())

    @property
    def reconstructions(self) -> list[Path]:
        return [path for path in [self.record.directory / "autoencoder.png"] if path.is_file()]

    @cached_property
    def nearest(self) -> list[Path]:
        return sorted(self.record.directory.glob("evaluation/*-nearest.png"), key=modified)[-1:]

    @property
    def environment(self) -> dict[str, str]:
        parts = self.record.manifest.machine | self.record.manifest.versions
        return {show(name): show(value) for name, value in parts.items()}

    @cached_property
    def sessions(self) -> list[dict[str, str]]:
        return [
            {
                "started": moment(session.started),
                "ended": moment(session.ended),
                "time": duration(session.seconds) if session.seconds is not None else "–",
                "iterations": f"{show(session.from_iteration)} to {show(session.to_iteration)}",
                "device": show(session.device),
                "state": show(session.status),
                "changed": ", ".join(map(show, session.overrides)) if number else "",
            }
            for number, session in enumerate(self.record.manifest.sessions)
        ]


def _kimg(said: Mapping[str, Any]) -> str:
    kimg = f"{short(said['kimg'])} kimg" if is_number(said.get("kimg")) else "an unknown time"
    return f"{kimg}, iteration {show(said.get('iteration'))}"
