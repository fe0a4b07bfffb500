"""The layers of one run's networks."""

from gan_experiments.formatting import count, show
from gan_experiments.reports.blocks import Block, Code, Facts, Heading, Section, Table, Text
from gan_experiments.runs.reading import read_json
from gan_experiments.runs.run import Run

COLUMNS = [
    ("name", "code first"),
    ("layer", ""),
    ("output shape", ""),
    ("parameters", "number"),
]


def section(run: Run) -> Section:
    """Return a table of layers for each network."""
    return Section("networks", "Networks", _tables(run) or _without_tables(run))


def parameters(run: Run) -> dict[str, str]:
    """Return the number of trainable parameters of each network."""
    return {show(name): count(number) or show(number) for name, number in run.manifest.parameters.items()}


def _tables(run: Run) -> list[Block]:
    """Return the tables of networks.json; empty where a run, such as an older one, has none that can be read."""
    blocks: list[Block] = []
    try:
        for name, network in read_json(run.directory / "networks.json").items():
            total = f"{int(network['parameters']):,}"
            rows = [
                [str(layer["name"]), str(layer["layer"]), "×".join(str(int(size)) for size in layer["output_shape"]),
                 f"{int(layer['parameters']):,}"]
                for layer in network["layers"]
            ]  # fmt: skip
            blocks += [Heading(name), Table(COLUMNS, [*rows, ["trainable parameters", "", "", total]], "tall total")]
    except (TypeError, KeyError, ValueError):
        return []
    return blocks


def _without_tables(run: Run) -> list[Block]:
    try:
        text = (run.directory / "networks.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [Text("The run has no layer table."), Facts(parameters(run))]
    return [Code(text.rstrip())]
