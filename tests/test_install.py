"""The wheel carries the configs and runs from anywhere."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from launching import command

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked as an installer would."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        archive.extractall(out / "site")
    return out / "site"


def test_the_wheel_runs_from_an_empty_directory_with_its_own_configs(wheel: Path, tmp_path: Path) -> None:
    assert not (CHECKOUT / "gan_experiments" / "conf").exists(), "the checkout has its configs at the top level only"
    for yaml in (CHECKOUT / "conf").rglob("*.yaml"):
        assert (
            wheel / "gan_experiments" / "conf" / yaml.relative_to(CHECKOUT / "conf")
        ).read_bytes() == yaml.read_bytes()
    marked = wheel / "gan_experiments" / "conf" / "experiment" / "only_in_the_wheel.yaml"
    marked.write_text("# @package _global_\nseed: 77\n")
    try:
        done = command("+experiment=only_in_the_wheel", "--cfg", "job", cwd=tmp_path, PYTHONPATH=str(wheel))
    finally:
        marked.unlink()
    assert done.returncode == 0, done.stderr
    assert "seed: 77" in done.stdout
    assert not list(tmp_path.iterdir())


def test_the_wheel_runs_from_inside_a_checkout(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("seed: wrong place\n")
    done = command("+experiment=fmnist_acgan", "--cfg", "job", cwd=tmp_path, PYTHONPATH=str(wheel))
    assert done.returncode == 0, done.stderr
    assert "name: report_e" in done.stdout


@pytest.mark.parametrize("inside", [True, False])
def test_an_editable_install_runs_from_the_checkout_and_from_elsewhere(inside: bool, tmp_path: Path) -> None:
    done = command("+experiment=fmnist_acgan", "--cfg", "job", cwd=CHECKOUT if inside else tmp_path)
    assert done.returncode == 0, done.stderr
    assert "name: report_e" in done.stdout
