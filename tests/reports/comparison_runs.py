"""Run directories as training leaves them, written at once."""

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_experiments.runs.run import Run

NASTY = "</script><script>window.broken = true</script><img src=x onerror='window.broken=true'> \"a\"='b' & {{ 7 * 7 }}"
"""A name that breaks a page which forgets to escape."""

CLASSIFIER = {"name": "x_classifier", "weights": "44ee718c", "input": "28×28, 1 channels"}
HIGHER = ("inception_score", "precision", "recall")


def protocol(metric: str, **facts: Any) -> dict[str, Any]:
    """Return all that a value depends on."""
    common = {"version": 1, "metric": metric, "parameters": {}, "extractor": CLASSIFIER, "num_samples": 10000}
    return common | {"reference": {"count": 60000, "fingerprint": "b722"}} | facts


def entry(metric: str, value: float | None, half: float | None = None, **facts: Any) -> dict[str, Any]:
    """Return a value as results.json and the files of evaluations have it."""
    found = {
        "value": value,
        "num_seeds": 4,
        "higher_is_better": metric in HIGHER,
        "protocol": protocol(metric, **facts),
        "part_of": next((whole for whole in ("class_fid", "fid") if metric.startswith(f"{whole}_")), None),
    }
    return found if half is None or value is None else found | {"interval": [value - half, value + half]}


def write_run(
    directory: Path,
    *,
    values: Mapping[str, float | None] | None = None,
    facts: Mapping[str, Any] | None = None,
    half: float | None = None,
    state: str = "finished",
    choices: Mapping[str, Any] | None = None,
    kimgs: Sequence[float] = (0, 10, 20),
    num_rows: int = 20,
    speed: float = 500,
    started: str = "2026-01-01T00:00:00Z",
    fingerprint: str = "f00d",
    **config: Any,
) -> Path:
    """Write a run.

    Args:
        directory: where.
        values: what was measured at the end, by the metric's name; the extractor is x_classifier.
        facts: of the protocol, that are not the common ones.
        half: of the values' intervals.
        state: of the manifest.
        choices: of config groups, besides the common ones.
        kimgs: where there are sample grids.
        num_rows: of losses; one kimg each.
        speed: images a second.
        started: when.
        fingerprint: of the images.
        config: keys besides the common ones.
    """
    values = {"fid": 10.0} if values is None else values
    directory.mkdir(parents=True, exist_ok=True)
    measured = {f"{name}/x_classifier": entry(name, value, half, **(facts or {})) for name, value in values.items()}
    groups = {"experiment": "some", "dataset": "x", "regime": "none", "loss": "hinge", "augment": "none"}
    common = {
        "seed": 0,
        "name": None,
        "notes": "",
        "data_dir": f"/data/{directory.name}",
        "batch_size": 64,
        "dataset": {"name": "x", "num_train": 60000},
        "augment": {},
        "loss": {"hinge": {"weight": 1.0}},
        "optimizer": {"generator": {"lr": 0.0002}},
        "evaluation": {"best": "fid", "num_samples": 10000},
    }
    manifest = {
        "format": 2,
        "status": state,
        "choices": groups | dict(choices or {}),
        "config": common | config,
        "versions": {"torch": "2.15.0"},
        "git": {"commit": "abc", "dirty": False},
        "data": {"fingerprint": fingerprint, "num_train": 60000},
        "started": started,
        "sessions": [{"device": "1 × cpu"}],
        "error": "RuntimeError: it broke" if state == "failed" else None,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    if state == "finished":
        results = {"kimg": float(num_rows), "evaluation": {"values": measured, "best": {"key": "fid/x_classifier"}}}
        (directory / "results.json").write_text(json.dumps(results))
    write_metrics(directory / "metrics.csv", values, num_rows, speed)
    for kimg in kimgs:
        write_picture(directory / "samples" / f"kimg_{kimg:010.3f}.png", shade=int(kimg) % 256)
    write_picture(directory / "samples" / "real.png", shade=200)
    return directory


def write_metrics(path: Path, values: Mapping[str, float | None], num_rows: int, speed: float) -> None:
    """Write a metrics.csv: a row of losses for each kimg, one of metrics at each tenth and at the end."""
    losses = ("discriminator/loss", "generator/loss")
    keys = [f"{name}/x_classifier" for name in values]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["kind", "iteration", "kimg", "images_per_second", *losses, *keys])
        writer.writeheader()
        for kimg in range(1, num_rows + 1):
            when = {"iteration": 10 * kimg, "kimg": kimg}
            shape = {name: 1 / kimg + 0.1 * math.sin(kimg + i) for i, name in enumerate(losses)}
            writer.writerow(when | {"kind": "training", "images_per_second": speed} | shape)
            if kimg % 10 == 0 or kimg == num_rows:
                found = {key: value * (1 + 5 / kimg) for key, value in zip(keys, values.values(), strict=True) if value}
                writer.writerow(when | {"kind": "evaluation"} | found)


def write_picture(path: Path, shade: int = 0, side: int = 24) -> None:
    """Write a grey PNG."""
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((side, side, 3), shade, np.uint8)).save(path)


def write_many(top: Path, count: int) -> list[Path]:
    """Write a large sweep over losses, learning rates and seeds, as rich as real ones: metrics, curves, grids."""
    top.mkdir(parents=True)
    noise = np.random.default_rng(0)
    pictures = [top / f"picture{i}.png" for i in range(9)]
    for picture in pictures:  # noise is as large as a grid of photographs
        Image.fromarray(noise.integers(0, 256, (300, 300), np.uint8)).save(picture)
    names = [
        "fid",
        "inception_score",
        "kid",
        "precision",
        "recall",
        "class_fid",
        *(f"class_fid_{i}" for i in range(25)),
    ]
    written = []
    for i in range(count):
        loss, rate = ["hinge", "wasserstein", "least_squares"][i % 3], [1e-4, 2e-4, 5e-4, 1e-3][i // 3 % 4]
        values = {name: float(noise.uniform(1, 50)) for name in names}
        run = write_run(
            top / f"{i:03d}",
            values=values,
            half=0.1,
            kimgs=(),
            num_rows=400,
            choices={"loss": loss},
            loss={loss: {"weight": 1.0}},
            seed=i // 12,
            optimizer={"generator": {"lr": rate}},
        )
        for j, picture in enumerate(pictures):
            os.link(picture, run / "samples" / f"kimg_{j * 50:010.3f}.png")
        written.append(run)
    return written


def records(*directories: Path) -> list[Run]:
    """Read runs."""
    return [Run.read(directory) for directory in directories]
