"""Every setting in which the checked runs differ, and what the manifest states about code, data and machine."""

from typing import Any

from gan_experiments.config.keys import LABELS, PLACES, WATCHING, flat, within
from gan_experiments.formatting import show
from gan_experiments.reports.blocks import Section, Text, Widget
from gan_experiments.reports.table import Comparison
from gan_experiments.runs.run import Run

LEGEND = (
    "Every key of the config, and of what the manifest states about code, libraries, data and machine, in which the "
    "checked runs differ."
)


def section(comparison: Comparison) -> Section:
    """Return a table that the page's script fills."""
    blocks = [Text(LEGEND, "soft"), Widget("settings", lambda: {"settings": _settings(comparison.runs)})]
    return Section("settings-section", "Settings", blocks, browser_only=True)


def _settings(runs: list[Run]) -> dict[str, Any]:
    """Return every key whose value differs anywhere: its options, and each run's position among them."""
    every = [{key: show(value) for key, value in (run.flat_config | _made_with(run)).items()} for run in runs]
    found: dict[str, Any] = {"keys": [], "options": [], "of": []}
    for key in dict.fromkeys(key for settings in every for key in settings):
        values = [settings.get(key, "–") for settings in every]
        options = {value: position for position, value in enumerate(dict.fromkeys(values))}
        if len(options) > 1 and not within(key, (*PLACES, *LABELS, *WATCHING)):
            found["keys"].append(key)
            found["options"].append(list(options))
            found["of"].append([options[value] for value in values])
    return found


def _made_with(run: Run) -> dict[str, Any]:
    """Return what the config does not state: the code, the libraries, the images, the machine."""
    manifest = run.manifest
    parts = {name: getattr(manifest, name) for name in ("git", "user_git", "versions", "data", "parameters")}
    device = next((session.device for session in reversed(manifest.sessions)), None)
    return flat({name: part for name, part in parts.items() if part} | {"device": device})
