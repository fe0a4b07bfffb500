"""Settings for all tests."""

import os

import pytest

# Before torch is imported: with a thread for each core, small networks wait for threads more than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_SILENT"] = "true"
os.environ["COLUMNS"] = "80"  # tables as a terminal shows them
os.environ.setdefault("MPLCONFIGDIR", "/tmp/gan_experiments_matplotlib")


@pytest.fixture(autouse=True)
def _no_data_dir(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only tests on real data see the real data."""
    if request.node.get_closest_marker("realdata") is None:
        monkeypatch.delenv("GAN_EXPERIMENTS_DATA", raising=False)
