"""The Python API: its names, and the examples in docstrings."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gan_experiments
from gan_experiments.types import UserError

PACKAGE = Path(gan_experiments.__file__).parent
WITH_EXAMPLES = sorted(
    ".".join(("gan_experiments", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in PACKAGE.rglob("*.py")
    if re.search(r"^\s+>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import gan_experiments, sys; sys.exit(bool({'torch', 'numpy', 'hydra', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_are_those_of_the_documentation() -> None:
    assert gan_experiments.__all__ == ["Run", "Sampler", "compose", "evaluate", "train"]
    assert set(gan_experiments.__all__) < set(dir(gan_experiments))
    for name in gan_experiments.__all__:
        assert getattr(gan_experiments, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'GAN'"):
        _ = gan_experiments.GAN


@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec", "ignore:.*many workers", "ignore:Found .* in eval mode")
@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_run_as_printed(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, attempted = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert attempted > 0
    assert failed == 0


def test_train_does_not_take_a_run_that_goes_on_for_a_new_one(tmp_path: Path) -> None:
    composition = gan_experiments.compose("digits_acgan", f"resume={tmp_path}")
    with pytest.raises(UserError, match="resume=RUN"):
        gan_experiments.train(composition, tmp_path / "new")
    assert not (tmp_path / "new").exists()
