"""Fine-tuning: from a pretrained model and data to a run, with what was chosen and what of the model it keeps."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo import zoo
from ganzoo.building import check_settings
from ganzoo.config import ModelConfig
from ganzoo.data.fitted import fitted_pictures
from ganzoo.data.loading import Data, open_data
from ganzoo.data.table import Table
from ganzoo.errors import ConfigError
from ganzoo.gan import GAN
from ganzoo.losses.objective import Objective
from ganzoo.losses.term import Term
from ganzoo.models.roles import lower_layers
from ganzoo.sources import parse_source
from ganzoo.training.adapting import Adapted, adapt
from ganzoo.training.callbacks import Callback
from ganzoo.training.choices import Choice, check_given, choose_objective, choose_settings, lines
from ganzoo.training.freezing import freezable_layers
from ganzoo.training.transferring import Transfer, counts

REPORT = "memorisation"


@dataclass(frozen=True, kw_only=True)
class FinetuningPlan:
    """How a model is to be fine-tuned; `str(plan)` is what is printed before training starts.

    Attributes:
        source: The pretrained model, as it was given.
        origin: What config.toml and the model card say of it: name, revision, digests of its weights.
        data: The data's name, size and shape, in words.
        choices: The settings that were chosen, each with the reason.
        transfers: What each network keeps and what of it is new, by its name.
        notes: What else there is to say.
    """

    source: str
    origin: Mapping[str, Any]
    data: str
    choices: tuple[Choice, ...]
    transfers: Mapping[str, Transfer]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"fine-tuning {self.source} on {self.data}", *(f"  {note}" for note in self.notes)]
        parts += ["chosen here, and replaced by what is given:", *lines(self.choices)] if self.choices else []
        parts += [line for transfer in self.transfers.values() for line in transfer.lines()]
        return "\n".join(parts)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What `Trainer` needs.

    Attributes:
        arguments: The arguments of `Trainer`.
        plan: What was chosen and what is kept.
    """

    arguments: dict[str, Any]
    plan: FinetuningPlan


def prepare(
    source: str | os.PathLike[str],
    data: Data,
    *,
    revision: str | None = None,
    access: Mapping[str, Any] | None = None,
    objective: Objective | Term | str | None = None,
    run: str | os.PathLike[str] | None = None,
    split: str = "train",
    value_range: tuple[float, float] | None = None,
    conditional: bool | None = None,
    model_args: Mapping[str, Any] | None = None,
    discriminator: str | None = None,
    discriminator_args: Mapping[str, Any] | None = None,
    callbacks: Sequence[Callback | str] | None = None,
    notes: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Prepared:
    """Load a pretrained model, fit it to data, and choose what was not given; nothing is written.

    Args:
        source: A pretrained model, as `ganzoo.load` takes it.
        data: What `open_data` takes; pictures are brought to the model's size unless the text asks for another.
        revision: A branch, tag or commit on the Hub.
        access: How to reach the Hub: further arguments of `ganzoo.load`, such as `{"token": ...}`.
        objective: The objective; None for the pretrained model's.
        run: The folder for config, log, pictures, checkpoints and model; None writes nothing.
        split: Which part of the data.
        value_range: The lowest and highest value of float samples.
        conditional: Condition the networks on the data's labels, vectors or sources, or not; None as the pretrained
            model, as far as the data allows.
        model_args: Settings of the architecture that shall be others than the pretrained model's.
        discriminator: The architecture of an untrained discriminator, in place of the pretrained one.
        discriminator_args: Settings of the discriminator alone.
        callbacks: What to call while training; None for the report on memorisation at the end, where one can be made.
        notes: What else config.toml and the model card shall say, such as `license`, whose entries replace those
            of the same name that go on from the pretrained model, and leave the others.
        settings: Settings of the run, such as `images`.

    Raises:
        GanzooError: As `ganzoo.load`, `open_data`, `adapt` and `Trainer`.
    """
    check_settings("access", access, "{'token': '...'}")
    check_settings("model_args", model_args)
    check_settings("discriminator_args", discriminator_args)
    check_settings("notes", notes, "{'license': {'data': 'CC0-1.0'}}")
    check_settings("the license of notes", (notes or {}).get("license"), "{'data': 'CC0-1.0'}")
    asked = check_given(settings)
    pretrained, origin = load_pretrained(source, revision, access)
    table = open_data(fitted_pictures(data, pretrained.sample_shape, split), split=split, value_range=value_range)
    adapted = adapt(
        pretrained,
        table,
        seed=asked.seed,
        conditional=conditional,
        model_args=model_args,
        discriminator=discriminator,
        discriminator_args=discriminator_args,
    )
    read, chosen = choose_objective(pretrained, adapted.gan, objective)
    freezable = whole_layers(adapted)
    made = choose_settings(
        pretrained,
        table,
        read,
        settings,
        freezable=freezable,
        layers=freezable_layers(dict(adapted.gan.networks.items())),
        can_keep=run is not None,
    )
    _check_frozen(settings.get("freeze_discriminator_layers", 0), freezable, adapted)
    is_drawn = len(table.sample_shape) == 3 and adapted.gan.condition.kind in ("none", "label") and run is not None
    origin = {**origin, "parameters": counts(adapted.transfers)}
    plan = FinetuningPlan(
        source=os.fspath(source),
        origin=origin,
        data=f"{table.name}: {len(table):,} samples of {'x'.join(map(str, table.sample_shape))}",
        choices=(*([chosen] if chosen else []), *made),
        transfers=adapted.transfers,
        notes=tuple(filter(None, (adapted.note, _size_note(pretrained, table)))),
    )
    arguments = {
        "model": adapted.gan,
        "objective": read,
        "data": table,
        "run": run,
        "split": split,
        "callbacks": ((REPORT,) if is_drawn else ()) if callbacks is None else callbacks,
        "notes": _notes(pretrained.config, origin, notes or {}),
        **{each.name: each.value for each in made},
        **settings,
    }
    return Prepared(arguments=arguments, plan=plan)


def load_pretrained(
    source: str | os.PathLike[str], revision: str | None = None, access: Mapping[str, Any] | None = None
) -> tuple[GAN, dict[str, Any]]:
    """Load a model with its discriminator, if it has one, and say where it came from.

    Args:
        source: As `ganzoo.load` takes it.
        revision: A branch, tag or commit on the Hub.
        access: Further arguments of `ganzoo.load`.

    Returns:
        The model, and what is kept of its origin: `model` (of a folder the end of its path), `repository` and
        `revision` on the Hub, `sha256` of each weights file, `images_shown` and `data` of its own training, and
        `parents`, what it was fine-tuned from itself.

    Raises:
        GanzooError: As `ganzoo.load`.
    """
    reaching = dict(access or {})
    files = zoo.locate(source, revision=revision, **reaching)
    config = zoo.read_config(files)
    commit, repository = str(getattr(files, "commit", "")), str(getattr(files, "repo_id", ""))
    if commit and parse_source(source).kind == "hub":  # what is loaded shall be of the commit that is noted
        source, revision = f"hf-hub:{repository}", commit
    gan = zoo.load(source, revision=revision, discriminator="discriminator" in config.networks, **reaching)
    origin: dict[str, Any] = {"model": _name_of(source)}
    if commit:
        origin |= {"repository": repository, "revision": commit}
    origin["sha256"] = {name: network.sha256 for name, network in gan.config.networks.items()}
    training = gan.config.training
    origin |= {key: training[key] for key in ("images_shown", "data") if isinstance(training.get(key), int | str)}
    earlier = training.get("finetuning")
    if isinstance(earlier, Mapping) and isinstance(earlier.get("model"), str):
        before = earlier.get("parents", [])
        origin["parents"] = [earlier["model"], *(name for name in before if isinstance(name, str))]
    return gan, origin


def _name_of(source: str | os.PathLike[str]) -> str:
    """Return what a model is called for others, who have no use for all of a path on this machine."""
    parsed = parse_source(source)
    return "/".join(Path(parsed.value).parts[-2:]) if parsed.kind == "folder" else os.fspath(source)


def whole_layers(adapted: Adapted) -> int:
    """Return how many of the discriminators' lower layers are, one after another, to the bit as published."""
    found = []
    for name, network in adapted.gan.networks.items():
        if not name.startswith("discriminator"):
            continue
        kept = set(adapted.transfers[name].named("kept"))
        places = {id(tensor): key for key, tensor in network.state_dict(keep_vars=True).items()}
        count = 0
        for layer in lower_layers(network):
            if not all(places[id(tensor)] in kept for tensor in layer.state_dict(keep_vars=True).values()):
                break
            count += 1
        found.append(count)
    return min(found, default=0)


def _check_frozen(asked: int, freezable: int, adapted: Adapted) -> None:
    if asked > freezable:
        changed = [
            f"{name}.{each.name}"
            for name, transfer in adapted.transfers.items()
            for each in transfer.decisions
            if name.startswith("discriminator") and each.kind != "kept"
        ]
        because = f", because {changed[0]} is not as published" if changed else ""
        raise ConfigError(
            f"training: freeze_discriminator_layers is {asked}, and of this discriminator 0 to {freezable} can be "
            f"frozen{because}; what is new must learn"
        )


def _size_note(pretrained: GAN, table: Table) -> str:
    if pretrained.sample_shape == table.sample_shape:
        return ""
    before, after = ("x".join(map(str, shape)) for shape in (pretrained.sample_shape, table.sample_shape))
    return f"samples are {after}, where the pretrained model's are {before}"


def _notes(parent: ModelConfig, origin: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given, and what goes on from the parent: where it came from, and the licences of its weights."""
    license_ = {key: parent.license[key] for key in ("weights",) if isinstance(parent.license.get(key), str)}
    data = [parent.license[key] for key in ("data", "parent_data") if isinstance(parent.license.get(key), str)]
    if data:
        license_["parent_data"] = "; ".join(data)
    license_ |= given.get("license") or {}
    others = {key: value for key, value in given.items() if key != "license"}
    return {"finetuning": dict(origin), **others, **({"license": license_} if license_ else {})}
