"""Run directories as rich as those of training, for reports."""

import json
from pathlib import Path
from typing import Any

from comparison_runs import write_picture, write_run

NETWORKS = {
    "generator": {
        "layers": [
            {"name": "layers.0", "layer": "ConvTranspose2d", "output_shape": [128, 4, 4], "parameters": 307200},
            {"name": "layers.1", "layer": "Tanh", "output_shape": [1, 8, 8], "parameters": 0},
        ],
        "parameters": 310005,
    },
    "discriminator": {
        "layers": [{"name": "score_head", "layer": "Linear", "output_shape": [1], "parameters": 2049}],
        "parameters": 2049,
    },
}
ALARM = {
    "alarm": "divergence",
    "iteration": 900,
    "kimg": 57.6,
    "action": "stop",
    "message": "generator/loss is nan: training diverges.",
}
SESSIONS = [
    {
        "started": "2026-01-01T00:00:00Z",
        "ended": "2026-01-01T01:00:00Z",
        "seconds": 3600.0,
        "from_iteration": 0,
        "to_iteration": 100,
        "device": "1 × cpu",
        "status": "interrupted",
        "overrides": ["+experiment=some", "seed=3"],
    },
    {
        "started": "2026-01-02T00:00:00Z",
        "ended": "2026-01-02T00:05:20Z",
        "seconds": 320.0,
        "from_iteration": 100,
        "to_iteration": 200,
        "device": "1 × cuda",
        "status": "finished",
        "overrides": ["resume=x", "budget.kimg=20"],
    },
]


def write_rich(directory: Path, **given: Any) -> Path:
    """Write a run with all that a report can show; `given` as for `write_run`, and `manifest` to change that."""
    changes = given.pop("manifest", {})
    dataset = {
        "name": "digits", "image_size": 8, "channels": 1, "num_train": 1500, "num_test": 297,
        "class_names": ["zero", "one"],
    }  # fmt: skip
    defaults: dict[str, Any] = {
        "dataset": dataset,
        "regime": {"first_n": {"_target_": "x.FirstN", "num_images": 500}},
        "values": {"fid": 3.25, "fid_half": 4.5, "recall": 0.5},
        "half": 0.25,
    }
    config = defaults | given
    config["choices"] = {"regime": "first_n", "model": "dcgan"} | config.get("choices", {})
    run = write_run(directory, **config)
    manifest = json.loads((run / "manifest.json").read_text())
    manifest |= {
        "command": ["python", "-m", "gan_experiments", "-m", "--config-dir", "my conf", "+experiment=some", "seed=3,4"],
        "overrides": ["+experiment=some", "seed=3", "name='a b'", "hydra.run.dir=/elsewhere"],
        "experiment": "some",
        "git": {"commit": "ba6cc54343be", "dirty": True},
        "user_git": {},
        "machine": {"processor": "an EPYC", "cores": 2},
        "parameters": {"generator": 310005, "discriminator": 2049},
        "data": {"fingerprint": "f00dfeed", "num_train": 500},
        "sessions": SESSIONS,
        "ended": "2026-01-02T00:05:20Z",
    } | changes
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "networks.json").write_text(json.dumps(NETWORKS))
    (run / "networks.txt").write_text("generator\nas text\n")
    write_picture(run / "losses.png", shade=9)
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints" / "iteration_000000200.pt").write_bytes(b"")
    return run
