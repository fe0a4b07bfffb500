"""Settings for all tests."""

import os

import pytest

os.environ["WANDB_SILENT"] = "true"
os.environ["COLUMNS"] = "80"  # tables as a terminal shows them
os.environ.setdefault("MPLCONFIGDIR", "/tmp/gan_experiments_matplotlib")


@pytest.fixture(autouse=True)
def _no_data_dir(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only tests on real data see the real data."""
    if request.node.get_closest_marker("realdata") is None:
        monkeypatch.delenv("GAN_EXPERIMENTS_DATA", raising=False)
