"""The layer table of a network: layers, output shapes, parameters."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LayerRow:
    """One leaf module in the order in which it ran."""

    name: str
    layer: str
    output_shape: list[int]  # without the batch dimension
    parameters: int  # trainable


def layer_table(network: nn.Module, *inputs: Tensor) -> tuple[Any, list[LayerRow]]:
    """Run the network once; return its output and its leaf modules in the order in which they ran."""
    rows: list[LayerRow] = []
    names = {module: name for name, module in network.named_modules()}

    def note(module: nn.Module, _: Any, output: Any) -> None:
        shape = list(output.shape[1:]) if isinstance(output, Tensor) else []
        rows.append(LayerRow(names[module], type(module).__name__, shape, count_parameters(module)))

    def is_leaf(module: nn.Module) -> bool:
        """Return whether it is a layer; spectral normalisation hangs below one, as its parametrisation."""
        within = "parametrizations" in names[module].split(".")
        return not within and all(name == "parametrizations" for name, _ in module.named_children())

    hooks = [module.register_forward_hook(note) for module in names if is_leaf(module)]
    try:
        with torch.no_grad():
            output = network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return output, rows


def count_parameters(network: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def table_facts(network: nn.Module, rows: list[LayerRow]) -> dict[str, Any]:
    """Return the table as JSON can hold it."""
    return {"layers": [vars(row) for row in rows], "parameters": count_parameters(network)}


def format_table(title: str, network: nn.Module, rows: list[LayerRow]) -> str:
    """Lay the table out as text."""
    width = max([len(row.name) for row in rows] + [5])
    kind = max([len(row.layer) for row in rows] + [5])
    lines = [title, f"{'name':<{width}}  {'layer':<{kind}}  {'output shape':<16}  parameters"]
    for row in rows:
        shape = "×".join(str(size) for size in row.output_shape)
        lines.append(f"{row.name:<{width}}  {row.layer:<{kind}}  {shape:<16}  {row.parameters:>10,}")
    lines.append(f"trainable parameters: {count_parameters(network):,}")
    return "\n".join(lines) + "\n"
