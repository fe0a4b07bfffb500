"""A trained generator as files that need nothing of this package: a graph with weights, a loader, a model card."""

import copy
import logging
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from gan_experiments.export.card import Exported, model_card
from gan_experiments.runs.run import Run
from gan_experiments.sampling.sampler import Sampler
from gan_experiments.types import UserError

TOLERANCE = 1e-5
CHECKED_BATCHES = (1, 5)
TRACED_BATCH = 3  # neither 1, which export may take for a constant, nor one that is checked
ONE_FILE_BYTES = 1_900_000_000
"""An ONNX file ends at 2 GiB: larger networks keep their weights beside it, in generator.onnx.data."""
SHOWN = 10  # images that a loader makes when it is run
ONNX_LIBRARIES = ("onnx", "onnxscript", "onnxruntime")
"""What the package itself does not need."""
Format = Literal["safetensors", "onnx", "torchscript"]
Images = Callable[..., Tensor]


class Generator(nn.Module):
    """Latents (float32, N×latent_dim), and labels (int64, N) where the generator looks at them, to images."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is None:
            labels = torch.zeros_like(latents[:, 0], dtype=torch.int64)
        images: Tensor = self.generator(latents, labels)
        return images


def check_installed(to: Format) -> None:
    """Raise `UserError` where a format's libraries are missing, with the command that installs them."""
    missing = [library for library in ONNX_LIBRARIES if to == "onnx" and find_spec(library) is None]
    if missing:
        raise UserError(
            f"--to {to} needs {', '.join(missing)}: in the checkout of gan_experiments, run "
            "pip install -c constraints.txt '.[export]'"
        )


def export(sampler: Sampler, record: Run, to: Format, license: str | None, directory: Path) -> Exported:
    """Write a generator's files, a loader and a model card into an empty directory, and check what was written.

    Raises:
        UserError: the network cannot be written as a graph, or the files generate other images.
    """
    module = Generator(sampler.generator.cpu()).eval()
    with warnings.catch_warnings():
        # torch.jit works but has no future; what tracing takes for constant is checked with other batches below.
        warnings.filterwarnings("ignore", r"`torch\.jit\.", FutureWarning)
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        read = WRITERS[to](module, _inputs(sampler, TRACED_BATCH), directory)
        difference = _difference(sampler, module, read, to)
    loader = _loader(sampler, to)
    (directory / "load.py").write_text(loader, encoding="utf-8")
    exported = Exported(sorted(path.name for path in directory.iterdir()), loader, difference)
    (directory / "README.md").write_text(model_card(record, sampler, exported, license), encoding="utf-8")
    return exported


def _loader(sampler: Sampler, to: Format) -> str:
    """Return a script that loads the files of a format and imports nothing of this package."""
    is_onnx = to == "onnx"
    inputs = {"latents": sampler.latents.code(SHOWN, "numpy" if is_onnx else "torch")}
    if sampler.conditional:
        inputs["labels"] = f"{'np' if is_onnx else 'torch'}.arange({SHOWN}) % {len(sampler.class_names)}"
    templates = Environment(
        loader=PackageLoader("gan_experiments.export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template("load.py.jinja").render(to=to, inputs=inputs, torch=torch.__version__)


def _inputs(sampler: Sampler, count: int) -> tuple[Tensor, ...]:
    latents = sampler.latents.sample(count, torch.Generator().manual_seed(count))
    labels = torch.arange(count) % max(len(sampler.class_names), 1)
    return (latents, labels) if sampler.conditional else (latents,)


def _difference(sampler: Sampler, module: nn.Module, read: Images, to: Format) -> float:
    """Return the largest difference between the images of the files and those of the network."""
    largest = 0.0
    for count in CHECKED_BATCHES:
        inputs = _inputs(sampler, count)
        with torch.no_grad():
            expected = module(*inputs)
        if not expected.isfinite().all():
            raise UserError(
                f"{sampler.checkpoint}: the generator returns values that are not finite: training has diverged. "
                "Choose an earlier checkpoint (--checkpoint)."
            )
        try:
            with torch.no_grad():
                images = read(*inputs)
            torch.testing.assert_close(images, expected, rtol=TOLERANCE, atol=TOLERANCE)
        except Exception as error:  # each library has its own
            raise UserError(
                f"--to {to}: the files do not generate the network's images for a batch of {count}: "
                f"{_first_line(error)}. A forward that draws random numbers or depends on the batch (len() of a tensor "
                "is a constant in a graph: write .shape[0]) cannot be exported. Nothing is kept."
            ) from error
        largest = max(largest, float((images - expected).abs().max()))
    return largest


def _graph(module: nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """Trace what the network computes, for batches of any size."""
    batch = Dim("batch")
    shapes = tuple({0: batch} for _ in inputs)
    try:
        try:
            return torch.export.export(module, inputs, dynamic_shapes=shapes, strict=False)
        except Exception:  # the other way sees Python's own operations, such as len
            return torch.export.export(module, inputs, dynamic_shapes=shapes, strict=True)
    except Exception as error:  # torch.export raises a dozen kinds
        raise UserError(
            f"torch.export cannot write this generator as a graph: {_first_line(error)}. Its forward may not branch on "
            "a tensor's values; --to torchscript may still work."
        ) from error


def _write_safetensors(module: nn.Module, inputs: tuple[Tensor, ...], directory: Path) -> Images:
    """Write the graph with zeros in place of the weights, and the weights that it asks for as safetensors."""
    graph, weights = directory / "generator.pt2", directory / "generator.safetensors"
    program = _graph(copy.deepcopy(module), inputs)
    for value in program.state_dict.values():
        value.data = torch.zeros_like(value)
    torch.export.save(program, graph)
    loaded = torch.export.load(graph).module()
    own, asked = module.get_submodule("generator").state_dict(), loaded.get_submodule("generator").state_dict()
    weights.write_bytes(to_safetensors({name: own[name].clone().contiguous() for name in asked}))
    loaded.get_submodule("generator").load_state_dict(load_file(weights))
    return loaded


def _write_onnx(module: nn.Module, inputs: tuple[Tensor, ...], directory: Path) -> Images:
    import onnxruntime

    for library in ("onnxscript", "onnx_ir"):
        logging.getLogger(library).setLevel(logging.WARNING)  # they tell of every node
    path = directory / "generator.onnx"
    names = ["latents", "labels"][: len(inputs)]
    num_bytes = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    torch.onnx.export(
        _graph(module, inputs),
        f=path,
        dynamo=True,
        input_names=names,
        output_names=["images"],
        dynamic_shapes=({0: "batch"}, {})[: len(inputs)],
        external_data=num_bytes > ONE_FILE_BYTES,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(*given: Tensor) -> Tensor:
        (images,) = session.run(["images"], {name: value.numpy() for name, value in zip(names, given, strict=True)})
        return torch.from_numpy(images)

    return run


def _write_torchscript(module: nn.Module, inputs: tuple[Tensor, ...], directory: Path) -> Images:
    path = directory / "generator.ts"
    with torch.no_grad():
        traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]
    torch.jit.save(traced, path)
    loaded: Images = torch.jit.load(path)  # type: ignore[no-untyped-call]
    return loaded


WRITERS: dict[Format, Callable[[nn.Module, tuple[Tensor, ...], Path], Images]] = {
    "safetensors": _write_safetensors,
    "onnx": _write_onnx,
    "torchscript": _write_torchscript,
}


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(".")
