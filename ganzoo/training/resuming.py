"""From a trainer's state to a checkpoint and back, and what may change in between."""

import logging
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo import weights
from ganzoo.config import build_config
from ganzoo.errors import CheckpointError, ConfigError, RunError, WeightsError
from ganzoo.training.checkpoints import Checkpoint
from ganzoo.training.description import HOUSEKEEPING
from ganzoo.training.settings import Settings

if TYPE_CHECKING:
    from ganzoo.training.trainer import Trainer

logger = logging.getLogger("ganzoo")

# What may be edited in config.toml between two lives of a run: it changes nothing that was computed.
FREE = {"ganzoo", "training.images", "training.weights_dtype", "callbacks", "callbacks_from_python"} | {
    f"training.{name}" for name in (HOUSEKEEPING | {"patience_images"}) - {"best_by", "evaluate_samples"}
}


def pack(trainer: "Trainer") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the plain values of a checkpoint."""
    tensors = {f"networks.{key}": value for key, value in trainer.gan.networks.state_dict().items()}
    for name, average in trainer.averages.items():
        tensors |= {f"ema.{name}.{key}": value for key, value in average.network.state_dict().items()}
    numbers: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    parts: dict[str, dict[str, float]] = {}
    scalers: dict[str, dict[str, Any]] = {}
    for player in (trainer.discriminator, trainer.generator):
        groups[player.role] = _group_counters(player.optimizer)
        parts[player.role] = {name: float(value) for name, value in player.parts.items()}
        if player.scaler is not None:
            scalers[player.role] = player.scaler.state_dict()
        for parameter, values in player.optimizer.state_dict()["state"].items():
            for key, value in values.items():
                place = f"optimizer.{player.role}.{parameter}.{key}"
                if isinstance(value, Tensor):
                    tensors[place] = value
                else:
                    numbers[place] = value
    tensors |= {f"step.{key}": value for key, value in trainer.step.state_dict().items()}
    state = {
        "images": trainer.images,
        "step": trainer.images // trainer.settings.images_per_step,
        "seconds": trainer.monitor.seconds,
        "optimizer_numbers": numbers,
        "optimizer_groups": groups,
        "losses": parts,
        "best": {} if trainer.journal.evaluator is None else trainer.journal.evaluator.state_dict(),
        "callbacks": trainer.callbacks.state_dict(),
        **({"scalers": scalers} if scalers else {}),
        "environment": environment(trainer.processes.count),
        "config": trainer.config(),
    }
    return tensors, state


def unpack(checkpoint: Checkpoint, trainer: "Trainer") -> int:
    """Put a checkpoint's state into a trainer of the same networks.

    Returns:
        The number of the next step.

    Raises:
        CheckpointError: The checkpoint is of other networks or another optimizer.
    """
    tensors, state = checkpoint.tensors, checkpoint.state
    try:
        step = int(state["step"])
        if step * trainer.settings.images_per_step != state["images"]:
            raise CheckpointError(f"the checkpoint is of {state['images']} images, which are not {step} steps")
        for name, network in trainer.gan.networks.items():
            weights.copy_into(network, _below(tensors, f"networks.{name}."), name)
        for name, average in trainer.averages.items():
            weights.copy_into(average.network, _below(tensors, f"ema.{name}."), f"the average of {name}")
        for player in (trainer.discriminator, trainer.generator):
            values = _below({**state["optimizer_numbers"], **tensors}, f"optimizer.{player.role}.")
            _restore_optimizer(player.optimizer, values, state["optimizer_groups"][player.role])
            parts = state.get("losses", {}).get(player.role, {})
            player.parts = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in parts.items()}
            if player.scaler is not None:
                player.scaler.load_state_dict(state["scalers"][player.role])
        trainer.step.load_state_dict(_below(tensors, "step."))
        trainer.monitor.earlier_seconds = float(state["seconds"])
        if trainer.journal.evaluator:
            trainer.journal.evaluator.load_state_dict(state.get("best", {}))
        trainer.callbacks.load_state_dict(state.get("callbacks", {}))
    except (WeightsError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"the checkpoint is of other networks or another optimizer: {error}") from error
    return step


def _below(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _group_counters(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return the numbers that an optimizer keeps beside its settings, such as the steps that timm's lamb counts."""
    return [
        {
            key: value.item() if isinstance(value, Tensor) else value
            for key, value in group.items()
            if key not in optimizer.defaults and isinstance(value, int | float | Tensor)
        }
        for group in optimizer.param_groups
    ]


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, values: Mapping[str, Any], counters: list[dict[str, Any]]
) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for place, value in values.items():
        number, _, key = place.partition(".")
        parameter = parameters[int(number)]
        if isinstance(value, Tensor) and value.shape == parameter.shape:
            # In the parameter's own memory format: fused optimizers walk through both side by side.
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        state.setdefault(int(number), {})[key] = value
    fresh = optimizer.state_dict()["param_groups"]
    groups = [{**group, **counted} for group, counted in zip(fresh, counters, strict=True)]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def environment(processes: int) -> dict[str, Any]:
    """Return what results may depend on besides the config."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processes": processes,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
    }


def arguments(config: Mapping[str, Any], run: Path, **given: Any) -> dict[str, Any]:
    """Return the arguments of `Trainer` that a run's config.toml asks for.

    Args:
        config: The content of config.toml.
        run: The run's folder, for messages.
        given: `data`, `objective`, `model`, `step` and `callbacks` as the caller gave them, or None.

    Raises:
        RunError: The config lacks something, or what came from Python is not given again; the message names it.
        ConfigError: A setting is unknown, of the wrong type or out of range.
    """
    try:
        model, data, settings = dict(config["model"]), dict(config["data"]), dict(config["training"])
        recorded = {
            "data": data.get("source"),
            "objective": config["objective"] if config["objective_is_registered"] else None,
            "model": None if "frozen" in model else model.get("architecture"),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"the config of the run {str(run)!r} lacks {error}; start the run anew elsewhere") from error
    _check_types(config["objective"], model, data, run)
    try:
        build_config(Settings, settings, "training")
    except ConfigError as error:
        raise ConfigError(f"{error} (in {str(run / 'config.toml')!r})") from error
    chosen = {name: recorded[name] if given[name] is None else given[name] for name in recorded}
    chosen["step"] = given["step"]
    chosen["callbacks"] = given.get("callbacks")
    if chosen["callbacks"] is None and "callbacks_from_python" not in config:
        chosen["callbacks"] = config.get("callbacks", [])
    missing = [name for name, value in chosen.items() if value is None and (name != "step" or name in config)]
    if missing:
        again = ", ".join(f"{name}=..." for name in missing)
        raise RunError(
            f"the run {str(run)!r} was started from Python with its own {' and '.join(missing)}; "
            f"go on with ganzoo.Trainer.resume({str(run)!r}, {again})"
        )
    return {
        **chosen,
        **({} if given["model"] is not None else _model_arguments(model)),
        "split": data.get("split", "train"),
        "notes": {key: config[key] for key in ("recipe", "license", "finetuning") if key in config},
        **settings,
    }


def _model_arguments(model: Mapping[str, Any]) -> dict[str, Any]:
    names = {"args": "model_args", "discriminator": "discriminator", "discriminator_args": "discriminator_args"}
    return {argument: model[key] for key, argument in names.items() if key in model}


def _check_types(objective: object, model: Mapping[str, Any], data: Mapping[str, Any], run: Path) -> None:
    places = {
        "objective": (objective, str),
        "model.architecture": (model.get("architecture", ""), str),
        "model.args": (model.get("args", {}), dict),
        "model.discriminator": (model.get("discriminator", ""), str),
        "model.discriminator_args": (model.get("discriminator_args", {}), dict),
        "data.source": (data.get("source", ""), str),
        "data.split": (data.get("split", ""), str),
    }
    for place, (value, kind) in places.items():
        if not isinstance(value, kind):
            raise RunError(f"cannot go on with {str(run)!r}: {place} is {value!r}; undo the change, or start a new run")


def check_unchanged(
    state: Mapping[str, Any], asked: Mapping[str, Any], config: Mapping[str, Any], run: Path, processes: int = 1
) -> None:
    """Refuse to go on with a changed run, and warn of what else is different.

    Args:
        state: The checkpoint's plain values.
        asked: The content of config.toml.
        config: The run's config as it is now, computed from what config.toml names.
        run: The run's folder, for messages.
        processes: How many processes go on with it.

    Raises:
        RunError: Objective, data, model or a setting is not that of the checkpoint; the message names each.
    """
    before = _flat(state.get("config", {}))
    changed: dict[str, Any] = {}
    for now in (_flat(asked), _flat(config)):
        keys = (key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key))
        changed |= {key: now.get(key) for key in keys if key in before or not _is_new_default(key, now[key])}
    refused = [key for key in changed if key not in FREE]
    if refused:
        what = "; ".join(f"{key} was {before.get(key)!r} and is {changed[key]!r}" for key in refused[:5])
        raise RunError(f"cannot go on with {str(run)!r}: {what}; undo the change, or start a new run")
    for key, value in changed.items():
        logger.warning("%s was %r and is %r; going on with the new value", key, before.get(key), value)
    environment_before = {"processes": 1, **state.get("environment", {})}
    for key, value in environment(processes).items():
        if (earlier := environment_before.get(key)) != value:
            digits = "in the last digits"
            if key == "processes":
                digits += ", and by more with dropout, or with batch norm without synchronize_batch_norm"
            logger.warning("%s was %s and is %s; results may differ %s", key, earlier, value, digits)


def _is_new_default(key: str, value: object) -> bool:
    """Tell whether a setting that a run's version of ganzoo did not have yet has its default."""
    section, _, name = key.partition(".")
    default = getattr(Settings, name, None)
    return section == "training" and value == (list(default) if isinstance(default, tuple) else default)


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        place = f"{prefix}{key}"
        flat |= _flat(value, f"{place}.") if isinstance(value, Mapping) else {place: value}
    return flat
