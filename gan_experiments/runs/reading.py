"""Files of a run that may be damaged: what cannot be read of them is empty. Imports no torch."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)


def only_mappings(value: object) -> object:
    """Return a list with an empty mapping in place of each entry that is none, and a mapping without such entries."""
    if isinstance(value, dict):
        return {key: entry for key, entry in value.items() if isinstance(entry, dict)}
    return [entry if isinstance(entry, dict) else {} for entry in value] if isinstance(value, list) else value


Mappings = Annotated[list[dict[str, Any]], BeforeValidator(only_mappings)]


class Lenient(BaseModel):
    """A JSON object: a field of another type than declared takes its default, and unknown fields are kept."""

    model_config = ConfigDict(extra="allow", strict=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _or_default(cls, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            return validate(value)
        except ValidationError:
            return cls.model_fields[str(info.field_name)].get_default(call_default_factory=True)


class Evaluation(Lenient):
    """What was measured of one checkpoint, in training or by `gan-experiments evaluate`."""

    iteration: int = -1
    kimg: float | None = None
    values: Annotated[dict[str, dict[str, Any]], BeforeValidator(only_mappings)] = {}
    not_applicable: dict[str, Any] = {}
    best: dict[str, Any] = {}  # in training: by what best.pt was chosen: `key`, `value`, `kimg`, `iteration`

    @property
    def num_samples(self) -> int:
        """How many samples the first value is of; -1 where that is unknown."""
        protocol = next(iter(self.values.values()), {}).get("protocol")
        count = protocol.get("num_samples") if isinstance(protocol, dict) else None
        return count if isinstance(count, int) else -1


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def seconds_since(time: object) -> float | None:
    """Return the seconds since a time as manifests have it; None where it is none."""
    try:
        then = datetime.strptime(str(time), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (datetime.now(UTC) - then).total_seconds()


def modified(path: Path) -> float:
    """Return when a file was written; 0 where it has vanished."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
