"""What a run is, in plain values: for config.toml, and for the config.json of the model it publishes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

import ganzoo
from ganzoo.config import ModelConfig, SamplingConfig
from ganzoo.data.table import Table
from ganzoo.gan import GAN
from ganzoo.losses.objective import Objective, is_registered
from ganzoo.training.freezing import frozen_names
from ganzoo.training.settings import Settings

Notes = Mapping[str, Any]  # `recipe`, `license` and `finetuning`, where a run has them

# Settings that say how a run is looked after and not what comes out.
HOUSEKEEPING = {
    "log_every_images",
    "checkpoint_every_images",
    "sample_every_images",
    "evaluate_every_images",
    "evaluate_samples",
    "best_by",
    "keep_checkpoints",
    "process_timeout_seconds",
}


def describe_run(
    gan: GAN,
    objective: Objective,
    table: Table,
    settings: Settings,
    notes: Notes,
    *,
    split: str,
    fingerprint: str,
    is_named: bool,
) -> dict[str, Any]:
    """Return everything that was asked for, resolved, as config.toml holds it: without what is None.

    Args:
        gan: The networks.
        objective: What they are trained with.
        table: What they are trained on.
        settings: How they are trained.
        notes: `recipe`, `license` and `finetuning`, where the run has them.
        split: The part of the data.
        fingerprint: The data's.
        is_named: The model was built from its architecture's name, so that building it again freezes the same weights.
    """
    network, other = (gan.config.networks.get(name) for name in ("generator", "discriminator"))
    model: dict[str, Any] = {"architecture": network.architecture, "args": network.args} if network else {}
    if network and other and (other.architecture, other.args) != (network.architecture, network.args):
        model |= {"discriminator": other.architecture, "discriminator_args": other.args}
    again = frozen_names(dict(gan.networks.items()), settings.freeze_discriminator_layers)
    frozen = [name for name, p in gan.networks.named_parameters() if not p.requires_grad and name not in again]
    if frozen and not is_named:
        model["frozen"] = frozen
    data = {"source": table.source, "name": table.name, "license": table.license, "split": split}
    config = {
        "ganzoo": ganzoo.__version__,
        "objective": str(objective),
        "objective_is_registered": is_registered(objective),
        "model": model,
        "data": data | {"samples": len(table), "fingerprint": fingerprint},
        "training": settings.to_dict(),
        **notes,
    }
    return _without_none(config)


def _without_none(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if value is not None
    }


def describe_model(
    gan: GAN,
    objective: Objective,
    table: Table,
    settings: Settings,
    notes: Notes,
    images: int,
    seconds: float,
    processes: int = 1,
) -> ModelConfig:
    """Return the config of the trained model: its networks, what its samples mean, and how it was trained.

    Args:
        gan: The networks.
        objective: What they were trained with.
        table: What they were trained on.
        settings: How they were trained.
        notes: `recipe`, `license` and `finetuning`, where the run has them.
        images: How many images the discriminator was shown as real.
        seconds: How long that took.
        processes: How many shared each batch.
    """
    sampling = SamplingConfig(
        sample_shape=table.sample_shape,
        scale=table.scale,
        offset=table.offset,
        data_dtype="uint8" if table.samples.dtype == torch.uint8 else "float32",
        class_names=table.class_names if gan.condition.kind == "label" else (),
    )
    origin = {key: notes[key] for key in ("recipe", "finetuning") if key in notes}
    training = origin | {
        "objective": str(objective),
        "data": table.name,
        "data_samples": len(table),
        **({} if table.paired or table.sources is None else {"data_sources": len(table.sources)}),
        "images_shown": images,
        "seconds": round(seconds),
        "threads": torch.get_num_threads(),
        **({"processes": processes} if processes > 1 else {}),
        **{key: value for key, value in settings.to_dict().items() if key not in HOUSEKEEPING},
    }
    license_ = dict(notes.get("license", {}))
    if table.license:
        license_.setdefault("data", table.license)
    return replace(gan.config, sampling=sampling, training=training, license=license_)
