"""The part of a page that shows how well a discriminator's class head does over epochs, on test and training images."""

from __future__ import annotations

from typing import Any

from pictures import is_drawn_of, save
from study_results import NOT_RUN, Runs, counted, load, over_seeds, place

TEST, TRAINING = "class_head_accuracy/discriminator", "class_head_training_accuracy/discriminator"
PICTURE = "class_head_accuracy.png"
LINES = {TEST: "-", TRAINING: "--"}


def accuracy_section(name: str) -> str:
    """Write the picture of accuracies, and a table of their highest and last values."""
    runs = _load(name)
    if not runs:
        return NOT_RUN
    lines = ["| | test: highest | test: last | training: last | training less test: last |", "|---|---|---|---|---|"]
    for variant, of_seeds in runs.items():
        test, training = ([run["curves"][key]["value"] for run in of_seeds] for key in LINES)
        ends = [(of_test[-1], of_training[-1]) for of_test, of_training in zip(test, training, strict=True)]
        cells = [
            over_seeds([max(values) for values in test]),
            over_seeds([end for end, _ in ends]),
            over_seeds([end for _, end in ends]),
            over_seeds([of_training - of_test for of_test, of_training in ends]),
        ]
        lines.append(f"| {variant} ({counted(len(of_seeds), 'run')}) | {' | '.join(cells)} |")
    return f"![Accuracy of the class head](results/{name}/{PICTURE})\n\n" + "\n".join(lines) + "\n"


def is_current(name: str) -> bool:
    """Return whether the picture of a study is that of its results."""
    runs = _load(name)
    return not runs or is_drawn_of(place(name) / PICTURE, _drawn(runs))


def draw(name: str) -> None:
    """Draw each run's accuracies over epochs: test images solid, training images dashed."""
    from matplotlib.figure import Figure

    runs = _load(name)
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axis = figure.subplots()
    for number, (variant, of_seeds) in enumerate(runs.items()):
        for position, run in enumerate(of_seeds):
            for key, style in LINES.items():
                curve = run["curves"][key]
                label = f"{variant}, {'test' if key == TEST else 'training'}" if position == 0 else None
                axis.plot(curve["epoch"], curve["value"], style, color=f"C{number}", lw=1.2, label=label)
    axis.set(xlabel="epoch", ylabel="accuracy of the class head")
    axis.grid(alpha=0.3)
    axis.legend()
    save(figure, place(name) / PICTURE, _drawn(runs))


def _load(name: str) -> Runs:
    """Return the runs, by variant, in which both accuracies were measured."""
    _, runs = load(name)
    measured = {
        variant: [run for run in of_seeds if all(run.get("curves", {}).get(key, {}).get("value") for key in LINES)]
        for variant, of_seeds in runs.items()
    }
    return {variant: of_seeds for variant, of_seeds in measured.items() if of_seeds}


def _drawn(runs: Runs) -> Any:
    """Return what the picture is drawn from."""
    return {variant: [[run["curves"][key] for key in LINES] for run in of_seeds] for variant, of_seeds in runs.items()}
