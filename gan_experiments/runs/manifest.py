"""The manifest: the truth about a run."""

import contextlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gan_experiments.types import UserError

FILE = "manifest.json"
LIBRARIES = (
    "gan_experiments", "torch", "torchvision", "pytorch-lightning", "hydra-core", "omegaconf", "numpy", "torchmetrics",
    "torch-fidelity", "wandb",
)  # fmt: skip


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a number may depend on."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    return found


def git_state(directory: Path) -> dict[str, Any]:
    """Return the commit of a checkout and whether it has uncommitted changes; empty outside a checkout."""

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
        UserError: there is none that can be read.
    """
    if not directory.is_dir():
        raise UserError("it is a file" if directory.exists() else "there is no such directory")
    if not (directory / FILE).exists():
        raise UserError(f"it is no run directory, since it holds no {FILE}")
    try:
        manifest: dict[str, Any] = json.loads((directory / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"its {FILE} cannot be read ({type(error).__name__}: {error})") from error
    parts = [manifest.get(name) for name in ("config", "choices")] if isinstance(manifest, dict) else [None]
    if not all(isinstance(part, dict) for part in parts):
        raise UserError(f"its {FILE} is not one of this framework")
    return manifest


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found.group(1) if found else platform.machine()
