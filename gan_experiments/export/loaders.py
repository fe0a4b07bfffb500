"""Scripts of a few lines that load an exported generator, and import nothing of this package."""

from typing import Literal

import torch

from gan_experiments.sampling.sampler import Sampler

LOADERS = {
    "safetensors": '''
"""Loads the generator: needs torch (made with {torch}) and safetensors. The weights come from generator.safetensors."""

from pathlib import Path

import torch
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
generator = torch.export.load(HERE / "generator.pt2").module()  # the graph; zeros stand for its weights
generator.generator.load_state_dict(load_file(HERE / "generator.safetensors"))

if __name__ == "__main__":
    with torch.no_grad():
        images = generator({inputs})
    print(tuple(images.shape), float(images.min()), float(images.max()))
''',
    "onnx": '''
"""Loads the generator: needs onnxruntime and numpy."""

from pathlib import Path

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(Path(__file__).resolve().parent / "generator.onnx")

if __name__ == "__main__":
    (images,) = session.run(["images"], {inputs})
    print(images.shape, images.min(), images.max())
''',
    "torchscript": '''
"""Loads the generator: needs torch (made with {torch})."""

from pathlib import Path

import torch

generator = torch.jit.load(Path(__file__).resolve().parent / "generator.ts")

if __name__ == "__main__":
    with torch.no_grad():
        images = generator({inputs})
    print(tuple(images.shape), float(images.min()), float(images.max()))
''',
}
SHOWN = 10  # images that a loader makes when it is run


def loader_text(sampler: Sampler, format: str) -> str:
    """Return the loader of a format: a script that imports nothing of this package."""
    library: Literal["torch", "numpy"] = "numpy" if format == "onnx" else "torch"
    inputs = {"latents": sampler.latents.code(SHOWN, library)}
    if sampler.conditional:
        inputs["labels"] = f"{'np' if format == 'onnx' else 'torch'}.arange({SHOWN}) % {len(sampler.class_names)}"
    arguments = ", ".join(inputs.values())
    if format == "onnx":
        arguments = "{" + ", ".join(f'"{name}": {array}' for name, array in inputs.items()) + "}"
    return LOADERS[format].lstrip().replace("{inputs}", arguments).replace("{torch}", torch.__version__)
