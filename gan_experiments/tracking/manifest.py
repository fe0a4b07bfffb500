"""The manifest: the truth about a run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gan_experiments.tracking.files import write_json
from gan_experiments.types import UserError

FILE = "manifest.json"
LIBRARIES = (
    "gan_experiments", "torch", "torchvision", "pytorch-lightning", "hydra-core", "omegaconf", "numpy", "torchmetrics",
    "torch-fidelity", "wandb",
)  # fmt: skip


def now() -> str:
    """Give the time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def versions() -> dict[str, str]:
    """Give the versions of Python and of the libraries that a number may depend on."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_state(directory: Path) -> dict[str, Any]:
    """Give the commit of a checkout and whether it has uncommitted changes; empty outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(directory), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def new_manifest(config: Mapping[str, Any], overrides: list[str], choices: Mapping[str, Any]) -> dict[str, Any]:
    """Begin the manifest of a run that is about to start."""
    return {
        "format": 1,
        "status": "running",
        "experiment": choices.get("experiment"),
        "command": [sys.executable, *sys.orig_argv[1:]],
        "overrides": overrides,
        "choices": dict(choices),
        "seed": config["seed"],
        "config": dict(config),
        "versions": versions(),
        "git": git_state(Path(__file__).parent),
        "user_git": git_state(Path.cwd()),
        "machine": {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        "started": now(),
        "sessions": [],
    }


def read_manifest(directory: Path) -> dict[str, Any]:
    """Read the manifest of a run directory.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    path = directory / FILE
    if not directory.is_dir():
        raise UserError(f"there is no run directory {directory}")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{directory} is not a run directory: it holds no {FILE}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or "config" not in manifest:
        raise UserError(f"{path} is not the manifest of a run: it has no 'config'")
    return manifest


def write_manifest(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest, whole or not at all."""
    write_json(directory / FILE, manifest)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
