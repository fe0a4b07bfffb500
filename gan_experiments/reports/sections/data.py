"""The data of one run, and what was done to them."""

from gan_experiments.config.keys import flat
from gan_experiments.formatting import brief_list, count, show
from gan_experiments.reports.blocks import Block, Facts, Heading, Picture, Pictures, Section, Text
from gan_experiments.runs.run import Run


def section(run: Run) -> Section:
    """Return the images trained on and those held out."""
    blocks: list[Block] = [Facts(facts(run)), *_picture(run, "samples/real.png")]
    if reconstructions := _picture(run, "autoencoder.png"):
        text = "Each image is followed by its reconstruction; the reconstructions are trained on too."
        blocks += [Heading("Training images and their reconstructions"), Text(text, "soft"), *reconstructions]
    return Section("data", "Data and regime", blocks)


def facts(run: Run) -> dict[str, str]:
    """Return what is known of the images."""
    dataset, used = run.group("dataset"), run.manifest.data
    size, channels = dataset.get("image_size"), dataset.get("channels")
    regime = flat(run.group("regime"))
    arguments = {key: value for key, value in regime.items() if not key.endswith(("_target_", "class_names"))}
    details = ", ".join(f"{key}={show(value)}" for key, value in arguments.items())
    held_out = count(dataset.get("num_test"))
    known = {
        "data set": dataset.get("name"),
        "images": f"{size}×{size}, {channels} channel{'s' * (channels != 1)}" if size else None,
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
