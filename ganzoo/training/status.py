"""What there is to know of a run from its folder alone, without loading torch or disturbing its trainer."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ganzoo.errors import CheckpointError, RunError
from ganzoo.training.history import read_log
from ganzoo.training.manifest import checkpoint_names, has_sizes, verify
from ganzoo.training.run import RunFolder

State = Literal["running", "finished", "stopped", "damaged"]

# What of the last line of the log a list shows.
FIGURES = ("discriminator_loss", "generator_loss", "real_score", "fake_score", "images_per_second")


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """A run as its folder shows it.

    Attributes:
        path: The run's folder.
        state: `"running"`: a process holds the run's lock; `"finished"`: the budget is used up; `"stopped"`: it can be
            resumed; `"damaged"`: it cannot.
        reason: Why it is damaged, or what else is wrong; empty if nothing is.
        architecture: The generator's, and the discriminator's after a `+` where it is another; empty where the networks
            are plain modules.
        objective: The objective as text.
        data: The data's name.
        images: How many images were shown: up to the last line of the log while it runs, else up to the checkpoint
            from which it would go on.
        budget: How many images it is to be shown; None where the config does not say.
        figures: Last losses, D(x) (`real_score`), D(G(z)) (`fake_score`) and speed, as far as the log has them.
        updated: When it last wrote, in seconds since 1970; None if it never did.
        model: The folder of the finished model, or None.
    """

    path: Path
    state: State
    reason: str = ""
    architecture: str = ""
    objective: str = ""
    data: str = ""
    images: int = 0
    budget: int | None = None
    figures: Mapping[str, float]
    updated: float | None
    model: Path | None


def find_runs(folder: Path) -> Iterator[Path]:
    """Find the folders of runs in a folder, at any depth, or the folder itself; in the order of their names.

    Hidden folders and links are not entered, and neither are runs.
    """
    for place, folders, names in os.walk(folder):
        if _is_run(Path(place), {*folders, *names}):
            yield Path(place)
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def run_status(path: Path, *, contents: bool = False) -> RunStatus:
    """Look at a run's folder; nothing is written, and a process that trains in it does not notice.

    Args:
        path: The run's folder.
        contents: Compare the bytes of the newest checkpoint with its checksums, which takes a while; else sizes only.
    """
    run = RunFolder(path)
    is_running = run.is_locked()
    config: dict[str, Any] = {}
    reason = ""
    try:
        config = run.read_config()
    except RunError as error:
        reason = str(error)
    lines = read_log(run.metrics_file, last_only=True)
    last = lines[-1] if lines else {}
    saved, problem = _newest_checkpoint(run.checkpoints, contents)
    if reason == "":
        reason = problem
    budget = _budget(config)
    shown = _shown_by_model(run.model)
    images = max(last.get("images", 0), saved or 0) if is_running or saved is None else saved
    state: State
    if is_running:
        state, reason = "running", ""
    elif budget is not None and (max(saved or 0, shown or 0) >= budget or _has_plateaued(config, saved, shown)):
        state, images = "finished", max(saved or 0, shown or 0)
    elif config and budget is None:
        state, reason = "damaged", "its config.toml lacks the budget, training.images"
    else:
        state = "stopped" if config and saved is not None else "damaged"
    return RunStatus(
        path=path,
        state=state,
        reason=reason,
        architecture=_architecture(config),
        objective=str(config.get("objective", "")),
        data=str(_section(config, "data").get("name", "")),
        images=images,
        budget=budget,
        figures=_figures(lines),
        updated=_last_written(run),
        model=run.model if shown is not None else None,
    )


def _is_run(path: Path, names: set[str]) -> bool:
    if {"config.toml", "metrics.jsonl"} <= names or ("config.toml" in names and "checkpoints" in names):
        return True
    if ".lock" in names and RunFolder(path).is_locked():  # it starts
        return True
    return "checkpoints" in names and bool(checkpoint_names(path / "checkpoints"))


def _newest_checkpoint(folder: Path, contents: bool) -> tuple[int | None, str]:
    """Return how many images the newest good checkpoint is of, or None, and what is wrong with newer ones."""
    names = checkpoint_names(folder)
    for name in reversed(names):
        if _is_good(folder / name, contents):
            newer = names[-1]
            return int(name), "" if name == newer else f"checkpoint {newer} is damaged; it would go on from {name}"
    return None, f"none of its {len(names)} checkpoints verifies" if names else "it has no checkpoint"


def _is_good(folder: Path, contents: bool) -> bool:
    if not has_sizes(folder):
        return False
    try:
        if contents:
            verify(folder)
    except (OSError, CheckpointError):
        return False
    return True


def _figures(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Return the newest value of each figure; a line of an evaluation has none of them."""
    logged: dict[str, Any] = next((line for line in reversed(lines) if any(name in line for name in FIGURES)), {})
    return {name: float(logged[name]) for name in FIGURES if isinstance(logged.get(name), int | float)}


def _budget(config: Mapping[str, Any]) -> int | None:
    images = _section(config, "training").get("images")
    return images if isinstance(images, int) else None


def _has_plateaued(config: Mapping[str, Any], saved: int | None, shown: int | None) -> bool:
    """Tell whether a run was complete before its budget was used up: its last state is a finished model."""
    return bool(_section(config, "training").get("patience_images")) and shown is not None and shown >= (saved or 0)


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return section if isinstance(section, Mapping) else {}


def _architecture(config: Mapping[str, Any]) -> str:
    model = _section(config, "model")
    return " + ".join(str(model[key]) for key in ("architecture", "discriminator") if model.get(key))


def _shown_by_model(folder: Path) -> int | None:
    """Return how many images a finished model was shown, or None where there is no such model."""
    try:
        shown = json.loads((folder / "config.json").read_bytes())["training"]["images_shown"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return shown if isinstance(shown, int) else None


def _last_written(run: RunFolder) -> float | None:
    times = []
    for path in (run.config_file, run.metrics_file, run.checkpoints):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=None)
