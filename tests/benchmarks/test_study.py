"""Studies: which runs they ask for, what is called once only, and what is kept of a run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from launching import composed, planned
from omegaconf import OmegaConf
from PIL import Image

RUN = subprocess.run
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import study

    monkeypatch.setattr(study, "ROOT", tmp_path)
    return study


class Machine:
    """Stands for the programs that a study calls: writes the files of a run, and notes each verb."""

    def __init__(self) -> None:
        self.called: list[list[str]] = []
        self.failing: set[str] = set()
        self.config: dict[str, Any] = {"evaluation": {"metrics": {}}, "data_dir": "/data"}

    def __call__(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[Any]:
        if command[0] != sys.executable:  # a library's own, such as matplotlib's search for fonts when it is first used
            return RUN(command, **options)
        if command[1:3] == ["-m", "gan_experiments"]:
            self.train(command[3:])
            return subprocess.CompletedProcess(command, 0)
        verb, directory, *arguments = command[3:]
        self.called.append([verb, *arguments])
        left: dict[str, tuple[str, dict[str, Any]]] = {
            "evaluate": ("evaluation/iteration_000000899-0123abcd", {"values": {}, "share_of_pixels_clipped": 0.125}),
            "sample": ("drawn/iteration_000000899-best2of9.png", {"picked": {"recognized": {"all": 0.5}}}),
        }
        if verb in left:
            name, facts = left[verb]
            file = Path(directory) / f"{name}.json"
            file.parent.mkdir()
            file.write_text(json.dumps(facts))
        if verb == "inspect":
            place = Path(directory) / "inspection" / "iteration_000000899-0123abcd"
            place.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8)).save(place / "by class=1.png")
            facts = {"perturbed": {"accuracy": 0.25, "name": "x", "is": True}}
            (place / "inspection.json").write_text(json.dumps(facts))
        return subprocess.CompletedProcess(command, verb in self.failing)

    def train(self, words: list[str]) -> None:
        """Write a run as the framework does, with absolute paths."""
        words = [word.replace("${data_dir}", "/data") for word in words]
        self.called.append(["train", *[word for word in words if not word.startswith("hydra.")]])
        directory = Path(words[-1].removeprefix("hydra.run.dir="))
        (directory / "samples").mkdir(parents=True)
        manifest = {
            "status": "finished", "overrides": words, "seed": int(words[-2].removeprefix("seed=")), "error": None,
            "git": {}, "started": "2026-01-01T00", "machine": {"processor": "p"}, "versions": {"torch": "t"},
            "sessions": [{"device": "cpu", "seconds": 1.0}], "alarms": [], "config": self.config,
            "data": {"autoencoder": {"mean_squared_error": 0.25}},
        }  # fmt: skip
        (directory / "manifest.json").write_text(json.dumps(manifest))
        (directory / "results.json").write_text(json.dumps({"kimg": 9.0, "generator_steps": 9, "generator/loss": 1.5}))
        lines = [
            f"{step},{step / 10},{(step + 1) / 100 + 5 * (step >= 400)},{step},{900 - step}" for step in range(900)
        ]
        header = "iteration,kimg,epoch,generator_steps,generator/loss"
        (directory / "metrics.csv").write_text("\n".join([header, *lines, ""]))
        for kimg in (0, 40, 90):
            Image.new("L", (8, 8), kimg).save(directory / "samples" / f"kimg_{kimg:06d}.000.png")
        noise = np.random.default_rng(0).integers(0, 255, (500, 500, 3), dtype=np.uint8)
        Image.fromarray(noise).save(directory / "samples" / "real.png")
        (directory / "networks.json").write_text("{}")


@pytest.fixture
def machine(study: Any, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(subprocess, "run", machine)
    return machine


def test_where_the_data_lie_is_not_in_results(study: Any, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(
        "seeds: [0]\nvariants: {mine: ['+experiment=images512', 'dataset.path=${data_dir}/tiles']}\n"
    )
    (job,) = study.read_study(tmp_path / "toy.yaml")
    for _ in range(2):  # the same run is found again
        assert "mine-s0: finished" in study.run(job)

    result = (tmp_path / "docs" / "results" / "toy" / "mine-s0.json").read_text()
    assert "dataset.path=${data_dir}/tiles" in result
    assert "/data" not in result.replace("${data_dir}", "")
    assert len(machine.called) == 1


def test_a_variant_may_have_seeds_of_its_own(study: Any, tmp_path: Path) -> None:
    yaml = tmp_path / "toy.yaml"
    yaml.write_text(
        "seeds: [0, 1]\ncommon: []\nvariants:\n  cheap: [+experiment=x, a=1]\n"
        "  dear: {overrides: [a=2], seeds: [7], full: [b=1]}\n"
        "after: {dear: [[inspect, --step, '0.03']]}\n"
    )
    jobs = study.read_study(yaml)
    assert [(job.name, job.overrides, job.grids) for job in jobs] == [
        ("cheap-s0", ["+experiment=x", "a=1"], 1), ("cheap-s1", ["+experiment=x", "a=1"], None),
        ("dear-s7", ["a=2"], 1),
    ]  # fmt: skip
    assert jobs[2].after == [["inspect", "--step", "0.03"]]
    assert (jobs[1].full, jobs[2].full) == (["+experiment=x"], ["b=1"])
    assert not jobs[0].after


def test_some_variants_and_seeds_can_be_run_alone(
    study: Any, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    yaml = tmp_path / "toy.yaml"
    yaml.write_text("seeds: [0, 1, 2]\nvariants: {a: [x=1], b: [x=2], c: [x=3], d: {overrides: [x=4], seeds: [10]}}\n")
    command = ["study.py", str(yaml), "--jobs", "1"]
    monkeypatch.setattr("sys.argv", [*command, "--only", "a", "c", "--seeds", "1", "2"])
    assert study.main() == 0
    names = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["a-s1", "c-s1", "a-s2", "c-s2"]

    for words, said in (
        (["--seeds", "2", "7"], "there is no seed 7 to run, but 0, 1, 2, 10"),
        (["--only", "a", "--seeds", "10"], "there is no seed 10 to run, but 0, 1, 2"),
        (["--only", "e"], "there is no variant e to run, but a, b, c, d"),
    ):
        monkeypatch.setattr("sys.argv", [*command, *words])
        with pytest.raises(SystemExit, match="2"):
            study.main()
        assert f"{said}\n" in capsys.readouterr().err


def test_verbs_after_a_run_are_called_once(study: Any, machine: Machine, tmp_path: Path) -> None:
    job = study.Job("toy", "a", 0, ["x=1"], ["evaluation.num_samples=9"], [["inspect", "--step", "0.03"], ["sample"]])
    machine.failing = {"inspect"}
    assert study.run(job).startswith("a-s0: not done: inspect --step 0.03, see ")
    assert machine.called == [
        ["train", "x=1", "seed=0"], ["evaluate", "evaluation.num_samples=9"], ["inspect", "--step", "0.03"], ["sample"],
    ]  # fmt: skip

    machine.called.clear()
    machine.failing = set()
    assert study.run(job) == "a-s0: finished, 0.0 min, 0 alarms"
    assert machine.called == [["inspect", "--step", "0.03"]]

    machine.called.clear()
    study.run(job)
    assert not machine.called
    assert "holds a run with other overrides" in study.run(study.Job("toy", "a", 0, ["x=2"]))


def test_a_result_holds_numbers_and_small_pictures(study: Any, machine: Machine, tmp_path: Path) -> None:
    key, full = "generator/loss", ["+experiment=fmnist_dense"]
    after = [["inspect"], ["sample"]]
    study.run(study.Job("toy", "a", 3, ["x=1"], ["y=1"], after, curves=[key, "absent"], grids=2, full=full))

    target = tmp_path / "docs" / "results" / "toy"
    result = json.loads((target / "a-s3.json").read_text())
    assert result["command"] == "python -m gan_experiments x=1 seed=3"
    assert result["generator_steps"] == 9
    assert result["at_the_end"] == {
        key: 1.5, "share_of_pixels_clipped": 0.125, "autoencoder/mean_squared_error": 0.25,
    }  # fmt: skip
    directory = tmp_path / "outputs" / "studies" / "toy" / "a-s3"
    (directory / "drawn" / "iteration_000000899-best2of9.npz.json").write_text('{"picked": {"best": 2}}')
    study.run(study.Job("toy", "a", 3, ["x=1"], ["y=1"], after, curves=[key, "absent"], grids=2, full=full))
    again = json.loads((target / "a-s3.json").read_text())["drawn"]
    assert again == {"drawn/best2of9/picked/recognized/all": 0.5, "drawn/best2of9/picked/best": 2}
    assert result["drawn"] == {"drawn/best2of9/picked/recognized/all": 0.5}
    assert result["share_of_full"] == 9 / 60_000
    assert result["inspection"] == {"inspection/perturbed/accuracy": 0.25}
    curve = result["curves"][key]
    assert (len(curve["value"]), curve["kimg"][-1], curve["value"][-1]) == (300, 89.9, 1)
    assert curve["min"] == 1
    assert curve["last_third"] == pytest.approx(150.5, abs=0.5)  # the mean of 300 ... 1
    # An epoch is 100 steps, and five of them are without a value.
    assert curve["epoch_means"] == pytest.approx([850.5 - 100 * epoch for epoch in range(9)])
    assert result["curves"]["absent"]["value"] == []

    pictures = result["pictures"]
    assert pictures.pop("real").startswith("real-")
    assert pictures == {
        "samples at 40 kimg": "a-s3-samples_at_40_kimg.png",
        "samples": "a-s3.png",
        "inspection/by class=1": "a-s3-inspection_by_class_1.png",
    }
    assert all(0 < path.stat().st_size <= 300_000 for path in target.glob("*.png"))
    assert len(list(target.glob("*.png"))) == 4
    assert (target / "a-networks.json").exists()


def test_layers_are_those_of_the_long_form(study: Any, machine: Machine, tmp_path: Path) -> None:
    dataset: Any = OmegaConf.to_container(planned(tmp_path).config.dataset)
    machine.config = {**machine.config, "dataset": dataset}
    widths = {"short": ["model.generator.base_width=8"], "long": ["model.generator.base_width=16"]}
    study.run(study.Job("toy", "a", 0, widths["short"], grids=1, full=widths["long"]))

    kept = json.loads((tmp_path / "docs" / "results" / "toy" / "a-networks.json").read_text())
    expected = build_networks(*widths["long"])
    assert kept["generator"]["parameters"] == expected
    assert expected != build_networks(*widths["short"])


def build_networks(*overrides: str) -> int:
    """Return the number of parameters of the generator that these overrides make."""
    generator = instantiate(composed(*overrides)[0].model.generator, _convert_="all")
    return sum(parameter.numel() for parameter in generator.parameters())


def test_a_picture_that_is_no_longer_made_is_removed(study: Any, machine: Machine, tmp_path: Path) -> None:
    study.run(study.Job("toy", "a", 0, [], grids=2))
    study.run(study.Job("toy", "a", 0, [], grids=1))
    assert sorted(path.name.partition("-")[0] for path in (tmp_path / "docs" / "results" / "toy").glob("*.png")) == [
        "a", "real",
    ]  # fmt: skip
