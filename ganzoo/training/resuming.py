"""From a run's state to a checkpoint and back, and what may change in between."""

import logging
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ganzoo
from ganzoo import randomness, weights
from ganzoo.errors import CheckpointError, RunError, WeightsError
from ganzoo.gan import GAN
from ganzoo.training.checkpoints import Checkpoint
from ganzoo.training.ema import ExponentialMovingAverage
from ganzoo.training.step import TrainingStep

logger = logging.getLogger("ganzoo")

# What may be edited in config.toml between two lives of a run: it does not touch what has been computed.
FREE = {"training.images", "training.keep_checkpoints", "training.weights_dtype"} | {
    f"training.{what}_every_images" for what in ("log", "checkpoint", "sample")
}


def batch_index(samples: int, batch_size: int, number: int, seed: int) -> Tensor:
    """Return the rows of batch `number` (from 0) of an endless order: permutation(seed, epoch) for each epoch in turn.

    Args:
        samples: The number of rows.
        batch_size: How many rows a batch has.
        number: The batch's number, counted over all epochs.
        seed: The run's seed.

    Returns:
        (batch_size,) int64. A batch across the end of an epoch goes on in the next.
    """
    first = number * batch_size
    parts, needed = [], batch_size
    while needed:
        epoch, offset = divmod(first, samples)
        part = _permutation(samples, seed, epoch)[offset : offset + needed]
        parts.append(part)
        first, needed = first + len(part), needed - len(part)
    return parts[0] if len(parts) == 1 else torch.cat(parts)


_latest_permutation: tuple[tuple[int, int, int], Tensor] | None = None


def _permutation(samples: int, seed: int, epoch: int) -> Tensor:
    global _latest_permutation
    key = (samples, seed, epoch)
    if _latest_permutation is None or _latest_permutation[0] != key:
        _latest_permutation = (key, torch.randperm(samples, generator=randomness.generator(seed, epoch, "order")))
    return _latest_permutation[1]


Averages = Mapping[str, ExponentialMovingAverage]
Optimizers = Mapping[str, torch.optim.Optimizer]


def pack(
    index: int, gan: GAN, averages: Averages, optimizers: Optimizers, step: TrainingStep
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the plain values of a checkpoint."""
    tensors = {f"networks.{key}": value for key, value in gan.networks.state_dict().items()}
    for name, average in averages.items():
        tensors |= {f"ema.{name}.{key}": value for key, value in average.network.state_dict().items()}
    numbers: dict[str, Any] = {}
    for role, optimizer in optimizers.items():
        for parameter, values in optimizer.state_dict()["state"].items():
            for key, value in values.items():
                place = f"optimizer.{role}.{parameter}.{key}"
                (tensors if isinstance(value, Tensor) else numbers)[place] = value
    tensors |= {f"step.{key}": value for key, value in step.state_dict().items()}
    return tensors, {"step": index, "optimizer_numbers": numbers, "environment": environment()}


def unpack(checkpoint: Checkpoint, gan: GAN, averages: Averages, optimizers: Optimizers, step: TrainingStep) -> int:
    """Put a checkpoint's state back in place.

    Returns:
        The number of the next step.

    Raises:
        CheckpointError: The checkpoint belongs to other networks.
    """
    tensors = checkpoint.tensors
    try:
        for name, network in gan.networks.items():
            weights.copy_into(network, _below(tensors, f"networks.{name}."), name)
        for name, average in averages.items():
            weights.copy_into(average.network, _below(tensors, f"ema.{name}."), f"the average of {name}")
    except WeightsError as error:
        raise CheckpointError(f"the checkpoint is of other networks: {error}") from error
    numbers = checkpoint.state["optimizer_numbers"]
    for role, optimizer in optimizers.items():
        _restore_optimizer(optimizer, {**numbers, **tensors}, f"optimizer.{role}.")
    step.load_state_dict(_below(tensors, "step."))
    return int(checkpoint.state["step"])


def _below(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _restore_optimizer(optimizer: torch.optim.Optimizer, values: Mapping[str, Any], prefix: str) -> None:
    content = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for place, value in _below(values, prefix).items():
        number, _, key = place.partition(".")
        parameter = parameters[int(number)]
        if isinstance(value, Tensor) and value.shape == parameter.shape:
            # In the parameter's own memory format, which fused optimizers rely on.
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": content["param_groups"]})


def environment() -> dict[str, Any]:
    """Return what results may depend on besides the config."""
    return {
        "ganzoo": ganzoo.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
    }


def read_run_config(
    config: Mapping[str, Any], run: Path, data: Any, objective: Any, model: GAN | None
) -> dict[str, Any]:
    """Return the arguments of `Trainer` that a run's config.toml asks for.

    Raises:
        RunError: Data, objective or model came from Python and are not given again.
    """
    try:
        settings, source = dict(config["training"]), config["data"].get("source")
        described, text = config["model"], config["objective"]
        split = config["data"].get("split", "train")
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"the config of the run {str(run)!r} lacks {error}; start the run anew in another folder"
        ) from error
    needed = [
        name
        for name, missing in (
            ("data", source is None and data is None),
            ("objective", not config.get("objective_from_text", True) and objective is None),
            ("model", "architecture" not in described and model is None),
        )
        if missing
    ]
    if needed:
        given = ", ".join(f"{name}=..." for name in needed)
        raise RunError(
            f"the run {str(run)!r} was started from Python with its own {' and '.join(needed)}; "
            f"resume it with ganzoo.Trainer.resume({str(run)!r}, {given})"
        )
    return {
        "model": model or described["architecture"],
        "model_args": {} if model else described.get("args", {}),
        "objective": text if objective is None else objective,
        "data": source if data is None else data,
        "split": split,
        "notes": {key: config[key] for key in ("recipe", "license") if key in config},
        **settings,
    }


def compare(state: Mapping[str, Any], config: Mapping[str, Any], run: Path) -> None:
    """Refuse to go on with a changed run; say what else is different.

    Raises:
        RunError: The config, the data or the model is not that of the checkpoint; the message names what changed.
    """
    before, now = _flat(state.get("config", {})), _flat(config)
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    refused = [key for key in changed if key not in FREE and key != "ganzoo"]
    if refused:
        what = "; ".join(f"{key} was {before.get(key)!r} and is {now.get(key)!r}" for key in refused[:5])
        raise RunError(f"cannot go on with {str(run)!r}: {what}; undo the change, or start a new run")
    for key in changed:
        logger.warning("%s was %r and is %r; going on with the new value", key, before.get(key), now.get(key))
    for key, value in environment().items():
        if (earlier := state.get("environment", {}).get(key)) != value:
            logger.warning("%s was %s and is %s; results may differ in the last digits", key, earlier, value)


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        place = f"{prefix}{key}"
        flat |= _flat(value, f"{place}.") if isinstance(value, Mapping) else {place: value}
    return flat
