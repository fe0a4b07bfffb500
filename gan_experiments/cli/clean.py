"""`clean`."""

from pathlib import Path
from typing import Annotated

import typer
from omegaconf import OmegaConf

from gan_experiments.cli.paths import RunPathsOrAll
from gan_experiments.cli.runs import OUTPUTS, common_directory
from gan_experiments.config.schema import Root
from gan_experiments.formatting import print_table, say, size
from gan_experiments.runs.clean import Removal, cached_files, removable, remove
from gan_experiments.runs.run import Run, find_runs


def clean(
    paths: RunPathsOrAll = None,
    cache: Annotated[
        bool, typer.Option("--cache", help="Also what measuring keeps in cache_dir; it is made again when needed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list.")] = False,
) -> None:
    """Delete what is no longer needed, after listing it and asking.

    Of finished runs: checkpoints but the last and the best. Of failed runs without a checkpoint: the whole directory,
    where it holds nothing but what a run writes. Running and interrupted runs, and all else, are left alone.
    """
    records = find_runs(paths or [OUTPUTS]) if paths or Path(OUTPUTS).is_dir() else []
    planned = [removal for record in records for removal in removable(record)]
    if cache:
        planned += [removal for directory in _caches(records) for removal in cached_files(directory)]
    for record in records:
        if record.state in ("running", "unreadable"):
            say(f"Left alone: {record.directory} ({record.problem or 'it is running'})")
    if not planned:
        say("There is nothing to delete.")
        return
    _list(planned)
    if dry_run:
        say("Nothing was deleted (--dry-run).")
        return
    if not yes:
        typer.confirm("Delete them?", abort=True)
    freed = 0
    for removal, prevented in remove(planned):
        if prevented:
            say(f"Left alone: {removal.path} ({prevented})")
        else:
            freed += removal.num_bytes
    say(f"Deleted: {size(freed)}.")


def _list(planned: list[Removal]) -> None:
    """List what belongs to runs one by one, and what is cached by directory."""
    own = [removal for removal in planned if removal.run is not None]
    base = common_directory([str(removal.path) for removal in own] or [str(Path.cwd())])
    rows = [[removal.path.relative_to(base), size(removal.num_bytes), removal.reason] for removal in own]
    cached: dict[Path, list[Removal]] = {}
    for removal in planned:
        if removal.run is None:
            cached.setdefault(removal.path.parent, []).append(removal)
    for directory, files in cached.items():
        total = sum(removal.num_bytes for removal in files)
        rows.append([f"{directory}: {len(files)} files", size(total), files[0].reason])
    if own and base != Path.cwd():
        say(f"Below {base}:")
    print_table(["to delete", "size", "why"], rows, right="size")
    say(f"{len(planned)} in all, {size(sum(removal.num_bytes for removal in planned))}.")


def _caches(records: list[Run]) -> list[Path]:
    """Return the cache directories of this user and of the runs, but for those that a running one may be reading."""
    named = [
        (record.state, Path(str(record.config["cache_dir"]))) for record in records if "cache_dir" in record.config
    ]
    busy = {directory for state, directory in named if state == "running"}
    own = Path(OmegaConf.structured(Root).cache_dir).expanduser().absolute()
    for directory in busy:
        say(f"Left alone: {directory} (a run that is running may read it)")
    return [found for found in dict.fromkeys([own, *(found for _, found in named)]) if found not in busy]
