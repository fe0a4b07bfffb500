"""`export`: what was written is loaded as its user would, without this package."""

import json
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from cli.conftest import Verb
from gan_experiments.export import export as exporting
from gan_experiments.models.latents import Normal
from gan_experiments.models.layers import PointConvTranspose2d
from gan_experiments.runs.run import Run
from gan_experiments.sampling.sampler import Sampler
from gan_experiments.types import UserError

Copy = Callable[..., Path]
FORMATS: list[exporting.Format] = ["safetensors", "onnx", "torchscript"]
FILES = {
    "safetensors": ["README.md", "generator.pt2", "generator.safetensors", "load.py"],
    "onnx": ["README.md", "generator.onnx", "load.py"],
    "torchscript": ["README.md", "generator.ts", "load.py"],
}
BATCHES = (1, 5, 8)
STRANGER = """
import runpy, sys
sys.modules["gan_experiments"] = None  # importing it raises
import numpy as np
for place in sys.argv[1:]:
    loaded = runpy.run_path(place + "/load.py")
    expected = np.load(place + ".npz")
    for count in (1, 5, 8):
        names = [name for name in ("latents", "labels") if f"{name}{count}" in expected]
        inputs = [expected[f"{name}{count}"] for name in names]
        if "session" in loaded:
            assert [(given.name, given.shape[0]) for given in loaded["session"].get_inputs()] == [
                (name, "batch") for name in names
            ]
            (images,) = loaded["session"].run(["images"], dict(zip(names, inputs)))
        else:
            torch = sys.modules["torch"]
            with torch.no_grad():
                images = loaded["generator"](*map(torch.from_numpy, inputs)).numpy()
        assert images.dtype == np.float32 and images.shape == expected[f"images{count}"].shape
        assert np.abs(images - expected[f"images{count}"]).max() <= 1e-5, place
    runpy.run_path(place + "/load.py", run_name="__main__")
assert not [name for name in sys.modules if name.startswith("gan_experiments.")]
print("torch" in sys.modules)
"""


@pytest.fixture(scope="module")
def exported(finished: Path, unconditional: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both runs in all formats, each with expected images beside it."""
    top = tmp_path_factory.mktemp("exported")
    for name, run in (("conditional", finished), ("unconditional", unconditional)):
        record = Run.read(run)
        generator = record.generator("last")
        for to in FORMATS:
            place = top / f"{name}-{to}"
            place.mkdir()
            exporting.export(generator, record, to, None, place)
            np.savez(place.with_suffix(".npz"), **expected_images(generator))
    return top


def expected_images(generator: Sampler) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for count in BATCHES:
        latents = generator.latents.sample(count, torch.Generator().manual_seed(7))
        labels = (torch.arange(count) * 3) % 10
        found |= {f"latents{count}": latents.numpy(), f"images{count}": generator.generator(latents, labels).numpy()}
        if generator.conditional:
            found[f"labels{count}"] = labels.numpy()
    return found


def as_a_stranger(*places: Path) -> str:
    """Load exports in another process, where this package cannot be imported; say whether torch was."""
    command = [sys.executable, "-I", "-W", "ignore::FutureWarning", "-c", STRANGER, *map(str, places)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=places[0].parent)
    assert made.returncode == 0, made.stderr
    return made.stdout.splitlines()[-1]


@pytest.mark.slow
def test_exports_give_the_generators_images_in_plain_pytorch(exported: Path) -> None:
    names = (
        "conditional-safetensors",
        "unconditional-safetensors",
        "conditional-torchscript",
        "unconditional-torchscript",
    )
    assert as_a_stranger(*(exported / name for name in names)) == "True"


@pytest.mark.slow
def test_onnx_gives_the_generators_images_without_torch(exported: Path) -> None:
    assert as_a_stranger(exported / "conditional-onnx", exported / "unconditional-onnx") == "False"


@pytest.mark.slow
def test_the_loader_takes_the_weights_from_the_safetensors_file(exported: Path, finished: Path, tmp_path: Path) -> None:
    place = exported / "conditional-safetensors"
    weights = load_file(place / "generator.safetensors")
    own = Run.open(finished, "RUN").generator("last").generator.state_dict()
    assert weights.keys() == own.keys()
    assert all(torch.equal(weights[name], own[name]) for name in own)

    graph = torch.export.load(place / "generator.pt2")
    assert all(not value.any() for value in graph.state_dict.values())

    for name in ("load.py", "generator.pt2"):
        (tmp_path / name).write_bytes((place / name).read_bytes())
    last = "layers.1.0.bias"
    save_file({**weights, last: torch.full_like(weights[last], 100.0)}, tmp_path / "generator.safetensors")
    generator = runpy.run_path(str(tmp_path / "load.py"))["generator"]
    assert (generator(torch.randn(2, 100), torch.tensor([0, 1])) == 1).all()  # tanh(100)


class Awkward(nn.Module):
    """What a generator of a user may hold: a constant batch under tracing, unused, shared and derived weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = parametrizations.spectral_norm(nn.Linear(6, 6))
        self.second = nn.Linear(6, 6)
        self.third = nn.Linear(6, 6)
        self.third.weight = self.second.weight
        self.unused = nn.Linear(3, 3)
        self.up = PointConvTranspose2d(6, 2, 4)
        self.register_buffer("shift", torch.tensor(0.5), persistent=False)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        hidden = self.third(self.second(self.first(latents).relu())).view(len(latents), 6)
        images: Tensor = self.up(hidden[:, :, None, None] + labels[:, None, None, None] + self.shift)
        return images


class Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        images: Tensor = self.layer(latents + torch.rand_like(latents))
        return images


class Branching(Random):
    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        images: Tensor = self.layer(latents) if bool(latents.sum() > 0) else -self.layer(latents)
        return images


def with_network(run: Path, network: nn.Module) -> Sampler:
    generator = Run.open(run, "RUN").generator("last")
    return replace(generator, generator=network.eval().requires_grad_(False), latents=Normal(6))


@pytest.mark.parametrize("to", ["safetensors", pytest.param("onnx", marks=pytest.mark.slow)])
def test_a_users_own_network_is_exported_whatever_it_holds(
    to: exporting.Format, finished: Path, tmp_path: Path
) -> None:
    generator = with_network(finished, Awkward())

    assert exporting.export(generator, Run.read(finished), to, None, tmp_path).difference <= 1e-5


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("network", [Random, Branching])
def test_what_cannot_be_exported_is_refused_with_the_reason(
    network: type[nn.Module], to: exporting.Format, finished: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    with pytest.raises(UserError, match=r"do not generate the network's images|cannot write this generator as a graph"):
        exporting.export(with_network(finished, network()), Run.read(finished), to, None, tmp_path)


def test_a_batch_that_tracing_takes_for_constant_is_found_out(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"for a batch of 1: .*write \.shape\[0\]"):
        exporting.export(with_network(finished, Awkward()), Run.read(finished), "torchscript", None, tmp_path)


@pytest.mark.slow
def test_large_networks_keep_their_weights_beside_the_onnx_file(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ONE_FILE_BYTES", 0)
    generator = Run.open(finished, "RUN").generator("last")

    written = exporting.export(generator, Run.read(finished), "onnx", None, tmp_path)

    assert written.files == ["generator.onnx", "generator.onnx.data", "load.py"]
    np.savez(tmp_path.with_suffix(".npz"), **expected_images(generator))
    assert as_a_stranger(tmp_path) == "False"


def test_the_verb_writes_a_directory_of_its_own(verb: Verb, copy_of: Copy, finished: Path, tmp_path: Path) -> None:
    run = copy_of(finished, "a b=c <script> [red]")

    assert verb("export", run, "--to", "torchscript").code == 0
    assert (
        sorted(p.name for p in (run / "exports" / "iteration_000000020-torchscript").iterdir()) == FILES["torchscript"]
    )
    said = verb("export", run, "--to", "torchscript", "--checkpoint", 16, "-o", "mine")
    assert said.code == 0
    assert "mine (generator.ts, load.py, README.md)" in said.out
    (tmp_path / "mine" / "notes").write_text("mine")
    before = (tmp_path / "mine" / "generator.ts").read_bytes()
    said = verb("export", run, "--to", "torchscript", "-o", "mine")
    assert said.code == 2
    assert "--force" in said.err
    assert (tmp_path / "mine" / "generator.ts").read_bytes() == before
    assert verb("export", run, "--to", "torchscript", "-o", "mine", "--force").code == 0
    assert (tmp_path / "mine" / "generator.ts").read_bytes() != before
    assert (tmp_path / "mine" / "notes").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [run.name, "mine"]


def test_a_missing_extra_names_the_command_that_installs_it(
    verb: Verb, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    said = verb("export", finished, "--to", "onnx", "-o", "out")

    assert said.code == 2
    assert "--to onnx needs onnxruntime: in the checkout" in said.err
    assert not Path("out").exists()


def test_what_is_no_run_or_has_no_checkpoint_is_said(
    verb: Verb, copy_of: Copy, unconditional: Path, tmp_path: Path
) -> None:
    lost = copy_of(unconditional, "lost", status="failed")
    for path in (lost / "checkpoints").iterdir():
        path.unlink()
    (tmp_path / "empty").mkdir()

    for run, part in {lost: "holds no readable checkpoint", tmp_path / "empty": "holds no manifest.json"}.items():
        said = verb("export", run, "--to", "safetensors", "-o", "out")
        assert said.code == 2
        assert part in said.err
    assert verb("export", unconditional, "--to", "tflite").code == 2
    assert not Path("out").exists()


def entry(value: float, **facts: Any) -> dict[str, Any]:
    return {
        "value": value,
        "interval": [value - 1, value + 1],
        "protocol": {"metric": "Fréchet", **facts},
        "floor": 0.25,
    }


def test_the_card_says_how_the_generator_came_about_and_what_was_measured_of_it(
    verb: Verb, copy_of: Copy, finished: Path, tmp_path: Path
) -> None:
    names = ["`a|b`", "<i>", *"23456789"]
    dataset = {**Run.read(finished).config["dataset"], "class_names": names}
    odd = {"name": "<script>x</script> | *", "notes": "```\nrm", "dataset": dataset}
    odd |= {"data_dir": "/secret", "init_from": "/secret/place/of/a run"}
    overrides = ["loss=acgan", "data_dir=/secret", "+hydra.x=/secret", "notes='a b'", "init_from=/secret/place/of/run"]
    run = copy_of(finished, "run", config=odd, overrides=overrides)
    (run / "evaluation").mkdir()
    for iteration, value in ((20, 12.5), (16, 99.5)):
        content = {"iteration": iteration, "kimg": 0.32, "values": {"fid/x": entry(value, num_samples=iteration)}}
        (run / "evaluation" / f"{iteration}.json").write_text(json.dumps(content))

    assert verb("export", run, "--to", "torchscript", "-o", "out", "--license", "CC-BY-4.0").code == 0
    card = (tmp_path / "out" / "README.md").read_text()

    assert card.startswith('---\nlicense: "CC-BY-4.0"\n')
    (command,) = (line for line in card.splitlines() if line.startswith("python -m gan_experiments"))
    assert shlex.split(command)[3:] == ["loss=acgan", "notes='a b'", "init_from=of/run"]
    assert "init_from: of/a run" in card
    assert "| latents | float32, N×100 | standard normal |" in card
    assert r"| labels | int64, N | 0 \`a\|b\`, 1 &lt;i&gt;, 2 2," in card
    assert "float32, N×1×8×8 | black is -1, white 1" in card
    assert "averaged (EMA, half-life 5 kimg), at iteration 20 (0.3 kimg)" in card
    assert f"1500 training images, fingerprint {Run.read(finished).manifest.data['fingerprint']}" in card
    assert "| fid ↓ | 12.5 ± 1 | 0.25 |" in card
    assert "num_samples: 20 |" in card
    assert "99.5" not in card  # of another checkpoint
    assert "| digits_classifier |" in card  # of training's end
    assert (tmp_path / "out" / "load.py").read_text() in card
    assert "# &lt;script&gt;x&lt;/script&gt; \\| \\*\n" in card
    assert "/secret" not in card
    assert str(tmp_path) not in card


def test_the_card_of_another_checkpoint_holds_none_of_the_last_ones_values(
    verb: Verb, finished: Path, tmp_path: Path
) -> None:
    assert verb("export", finished, "--to", "torchscript", "-o", "out", "--checkpoint", 16).code == 0
    card = (tmp_path / "out" / "README.md").read_text()

    assert 'license: "unknown"' in card
    assert "at iteration 16" in card
    assert "fid/digits_classifier" not in card
    assert "Nothing else was measured of this checkpoint" in card
