"""What the pages need of one run: its numbers as JSON, and for a study's first seed its pictures, all small."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from pathlib import Path
from statistics import fmean
from typing import Any

from gan_experiments.runs.metrics_csv import read_metrics

LOCAL = ("hydra.", "data_dir=", "cache_dir=", "logger=")
MADE_AT = re.compile(r"iteration_\d+-([0-9a-f]{8}/)?")  # what names of pictures hold beside what they show
CURVE_POINTS = 300
LARGEST_PICTURE = 300_000  # bytes


def write_result(
    directory: Path, target: Path, name: str, curves: list[str], grids: int | None, full: list[str] | None = None
) -> str:
    """Write a run's JSON and, where `grids` says how many sample grids to show, its pictures; return a line about it.

    `full` are the overrides of its long form; the result holds the share of that budget that the run had.
    """
    manifest = read_json(directory / "manifest.json")
    results = read_json(directory / "results.json") if (directory / "results.json").exists() else {}
    target.mkdir(parents=True, exist_ok=True)
    values, measured = _values(directory, target)
    git = manifest["git"]
    result = {
        "command": " ".join(
            ["python -m gan_experiments", *portable(manifest["overrides"], manifest["config"]["data_dir"])]
        ),
        "seed": manifest["seed"],
        "status": manifest["status"],
        "error": manifest["error"],
        "commit": git.get("commit", "unknown") + (" (modified)" if git.get("dirty") else ""),
        "date": manifest["started"][:10],
        "machine": f"{manifest['machine']['processor']}, {manifest['sessions'][-1]['device']}",
        "torch": manifest["versions"]["torch"],
        "seconds": round(sum(session["seconds"] for session in manifest["sessions"]), 1),
        **{key: results.get(key) for key in ("iterations", "kimg", "discriminator_steps", "generator_steps")},
        "alarms": [{key: alarm[key] for key in ("alarm", "kimg", "action")} for alarm in manifest["alarms"]],
        "num_samples": measured.get("num_samples"),
        "not_applicable": measured.get("not_applicable", {}),
        "at_the_end": {
            **{key: results[key] for key in results if "/" in key},
            **{key: measured[key] for key in ("share_of_pixels_clipped",) if key in measured},
            **{f"autoencoder/{key}": error for key, error in manifest["data"].get("autoencoder", {}).items()},
        },
        "values": values,
    }
    if full:
        result["share_of_full"] = _share_of(full, results)
    for place in ("inspection", "drawn"):
        if numbers := _numbers_of_verbs(directory, place):
            result[place] = numbers
    if curves:
        result["curves"] = _curves(directory, curves)
    if grids is not None:
        _remove_pictures(target, name)
        result["pictures"] = _pictures(directory, target, name, grids)
        _write_networks(directory, manifest, full or [], target / f"{name.rpartition('-s')[0]}-networks.json")
    (target / f"{name}.json").write_text(json.dumps(_rounded(result), indent=1) + "\n")
    return f"{name}: {manifest['status']}, {result['seconds'] / 60:.1f} min, {len(result['alarms'])} alarms"


def _share_of(full: list[str], results: dict[str, Any]) -> float | None:
    """Return what a run reached over the budget of its long form; None where it reached no end."""
    from gan_experiments.config.compose import composition

    budget = composition(*full).config.budget
    unit, amount = next((unit, amount) for unit, amount in budget.items() if amount is not None)
    return results[unit] / amount if unit in results else None


def _write_networks(directory: Path, manifest: dict[str, Any], full: list[str], target: Path) -> None:
    """Write the layers of a run's networks; where the run changed them, those that its long form has."""
    if full and any(word.startswith("model.") and word not in full for word in manifest["overrides"]):
        target.write_text(json.dumps(networks_of(full, manifest["config"]["dataset"]), indent=1) + "\n")
    elif (directory / "networks.json").exists():
        shutil.copy(directory / "networks.json", target)


def networks_of(full: list[str], dataset: dict[str, Any]) -> dict[str, Any]:
    """Return the layers of an experiment's networks, as networks.json does; the data are not read."""
    from gan_experiments.build import build_module
    from gan_experiments.config.compose import composition, prepare
    from gan_experiments.models.summary import table_facts

    cfg = composition(*full).config
    cfg.dataset = dataset
    module, tables = build_module(prepare(cfg)[0])
    return {name: table_facts(getattr(module, name), rows) for name, rows in tables.items()}


def portable(overrides: list[str], data_dir: str) -> list[str]:
    """Leave out what depends on one machine, such as its directory of data sets."""
    return [word.replace(f"={data_dir}/", "=${data_dir}/") for word in overrides if not word.startswith(LOCAL)]


def read_json(path: Path) -> Any:
    """Read a file of JSON."""
    return json.loads(path.read_text())


def _values(directory: Path, target: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return all that was measured, and the last measurement; keep the protocols once for the whole study."""
    path = target / "protocols.json"
    protocols: dict[str, Any] = read_json(path) if path.exists() else {}
    values: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    for file in _oldest_first(directory / "evaluation", "*.json"):
        measured = read_json(file)
        for key, entry in measured["values"].items():
            protocol = entry.pop("protocol")
            short = hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:12]
            protocols[short] = protocol
            entry.pop("by_seed")
            values[key] = {**entry, "protocol": short}
    if protocols:
        path.write_text(json.dumps(protocols, indent=1, sort_keys=True) + "\n")
    return values, measured


def _numbers_of_verbs(directory: Path, place: str) -> dict[str, float]:
    """Return the numbers that verbs have left in a run, each under the path that leads to it, joined by slashes.

    Several drawings are distinguished by the file's name; of inspections the newest counts.
    """
    numbers: dict[str, float] = {}
    for path in _oldest_first(directory / place, "**/*.json"):
        drawing = re.sub(MADE_AT, "", path.name.removesuffix(".json").removesuffix(".png").removesuffix(".npz"))
        numbers |= _numbers(read_json(path), f"{place}/{drawing}" if place == "drawn" else place)
    return numbers


def _oldest_first(directory: Path, pattern: str) -> list[Path]:
    """Find files, so that of two with one title the newer one counts."""
    return sorted(directory.glob(pattern), key=lambda path: (path.stat().st_mtime, path))


def _numbers(value: Any, name: str) -> dict[str, float]:
    if isinstance(value, dict):
        return {
            key: number for part, entry in value.items() for key, number in _numbers(entry, f"{name}/{part}").items()
        }
    return {name: value} if isinstance(value, int | float) and not isinstance(value, bool) else {}


def _curves(directory: Path, keys: list[str]) -> dict[str, Any]:
    """Return metrics during training, thinned, and where they were measured; the lowest and means are of all points."""
    rows = read_metrics(directory / "metrics.csv")
    return {key: _curve([row for row in rows if key in row], key) for key in keys}


def _curve(rows: list[dict[str, float]], key: str) -> dict[str, Any]:
    columns = {"kimg": "kimg", "epoch": "epoch", "generator_steps": "generator_steps", "value": key}
    step = max(1, -(-len(rows) // CURVE_POINTS))
    kept = rows[::-1][::step][::-1]  # the last one is always among them
    curve: dict[str, Any] = {name: [row.get(column) for row in kept] for name, column in columns.items()}
    values = [row[key] for row in rows]
    if values and not any(map(math.isnan, values)):
        late = [row[key] for row in rows if row["kimg"] >= rows[-1]["kimg"] * 2 / 3]
        curve |= {"min": min(values), "last_third": fmean(late)}
        if key.endswith("/loss"):
            curve["epoch_means"] = _epoch_means(rows, key)
    return curve


def _epoch_means(rows: list[dict[str, float]], key: str) -> list[float]:
    """Return the mean of each epoch in which there are values, such as those that a network was trained in."""
    epochs: dict[int, list[float]] = {}
    for row in rows:
        if "epoch" in row:
            epochs.setdefault(math.ceil(row["epoch"] - 1e-9), []).append(row[key])
    return [fmean(values) for _, values in sorted(epochs.items())]


def _pictures(directory: Path, target: Path, name: str, grids: int) -> dict[str, str]:
    """Copy a run's pictures; return the file of each by its title."""
    files: dict[str, str] = {}
    real = directory / "samples" / "real.png"
    if real.exists():  # one for all runs that show the same
        files["real"] = f"real-{hashlib.sha256(real.read_bytes()).hexdigest()[:8]}.png"
        shrink(real, target / files["real"])
    sources: dict[str, Path] = {}
    samples = sorted((directory / "samples").glob("kimg_*.png"))
    for number in range(1, grids):
        path = samples[(len(samples) - 1) * number // grids] if samples else None
        if path and path != samples[-1]:
            sources[f"samples at {float(path.stem.removeprefix('kimg_')):,.0f} kimg"] = path
    if samples:
        sources["samples"] = samples[-1]
    for path in (directory / "losses.png", directory / "autoencoder.png"):
        if path.exists():
            sources[path.stem] = path
    for folder in ("inspection", "drawn"):
        for path in _oldest_first(directory / folder, "**/*.png"):
            sources[re.sub(MADE_AT, "", str(path.relative_to(directory).with_suffix("")))] = path
    for title, path in sources.items():
        plain = re.sub(r"[^\w.+-]+", "_", title)
        files[title] = f"{name}.png" if title == "samples" else f"{name}-{plain}.png"
        shrink(path, target / files[title])
    return files


def _remove_pictures(target: Path, name: str) -> None:
    """Remove the pictures of an earlier result, whose names may differ; those of real images serve other runs too."""
    path = target / f"{name}.json"
    for title, file in (read_json(path).get("pictures", {}) if path.exists() else {}).items():
        if title != "real":
            (target / file).unlink(missing_ok=True)


def shrink(source: Path, target: Path) -> None:
    """Copy a picture as an optimised PNG, as much smaller as it takes to be at most about 300 kB."""
    from PIL import Image

    with Image.open(source) as opened:
        picture = opened.copy()
    picture.save(target, optimize=True)
    while target.stat().st_size > LARGEST_PICTURE and min(picture.size) > 64:
        width, height = (round(side * 0.8) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        picture.save(target, optimize=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, list) else value
