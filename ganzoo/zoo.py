"""The zoo's front door: load, create and list by name."""

import os
from collections.abc import Mapping
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo import plugins
from ganzoo.building import (
    architecture_of,
    build_network,
    create_loss,
    create_model,
    create_model_for,
    create_objective,
    find_architecture,
)
from ganzoo.errors import InputError, SourceError, UnknownNameError, given
from ganzoo.files import is_folder
from ganzoo.loading import check_shape, plan_network, read_config

if TYPE_CHECKING:
    import torch

    from ganzoo.gan import GAN
    from ganzoo.registry import Entry, Kind
    from ganzoo.sources import ModelFiles

__all__ = [
    "architecture_of",
    "build_network",
    "create_loss",
    "create_model",
    "create_model_for",
    "create_objective",
    "find_architecture",
    "list_architectures",
    "list_datasets",
    "list_losses",
    "list_pretrained",
    "load",
    "locate",
    "read_config",
]


def load(
    source: str | os.PathLike[str],
    *,
    discriminator: bool = False,
    revision: str | None = None,
    device: "torch.device | str" = "cpu",
    dtype: "torch.dtype | None" = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    endpoint: str | None = None,
) -> "GAN":
    """Load a pretrained model, in eval mode.

    The arguments from `cache_dir` on are about the Hugging Face Hub, and change nothing for models that are on this
    machine. What a load may take of the Hub is limited to 120 seconds (`GANZOO_HUB_TIMEOUT`) and one more a megabyte.

    Args:
        source: A registered model's name such as `"dcgan-mnist"`, `"plugin/name"`, `"hf-hub:org/name"`,
            `"local-dir:PATH"`, or a path; `@REV` after a name or a repository is a revision.
        discriminator: Load the discriminator too (or all of them), for scoring and fine-tuning; its file is fetched
            only then.
        revision: A branch, tag or commit on the Hub.
        device: Where to put the networks.
        dtype: The dtype of the weights in memory; float32 by default, however they are stored.
        cache_dir: The cache; by default that of the Hub's own client (`HF_HUB_CACHE`).
        token: A token for the Hub; by default the one that `hf auth login` stored; False for none.
        local_files_only: Ask nothing of the Hub, and take what the cache has.
        force_download: Fetch the files again.
        endpoint: The Hub's address; by default `HF_ENDPOINT`, or the public one.

    Raises:
        InputError: There is no such device.
        SourceError: The source means nothing, or there is no model in that folder.
        UnknownNameError: No model has this name.
        MissingPluginError: The model's architecture comes from a plugin that is not there.
        ConfigError: The model's config.json cannot be used.
        WeightsError: The weights are damaged or do not fit.
        HubError: The Hub does not have the model, does not let this user have it, or cannot be reached.
    """
    import torch

    from ganzoo.gan import GAN
    from ganzoo.inference import has_device

    if not has_device(device):
        raise InputError(f"device is {given(device)}, and there is none here; it takes cpu, cuda, cuda:1 or mps")
    files = locate(
        source,
        revision=revision,
        cache_dir=cache_dir,
        token=token,
        local_files_only=local_files_only,
        force_download=force_download,
        endpoint=endpoint,
    )
    config = read_config(files)
    wanted = [name for name in config.networks if discriminator or not name.startswith("discriminator")]
    if discriminator and "discriminator" not in config.networks:
        raise SourceError(f"{os.fspath(source)!r} has no discriminator; load it without discriminator=True")
    # All are measured before the first is fetched or read, so that a config that cannot be used costs nothing.
    plans = {name: plan_network(name, config.networks[name], str(source)) for name in wanted}
    check_shape({name: plan.module for name, plan in plans.items() if plan.module is not None}, config)
    networks = {name: plan.load(files, dtype or torch.float32) for name, plan in plans.items()}
    check_shape(networks, config)
    return GAN(networks, config=config).to(device).eval()


def locate(source: str | os.PathLike[str], *, revision: str | None = None, **access: Any) -> "ModelFiles":
    """Return the files of a registered or local model, or of one on the Hub.

    Args:
        source: As `load` takes it.
        revision: A branch, tag or commit on the Hub.
        access: How to reach the Hub: the arguments of `load` from `cache_dir` on.

    Raises:
        SourceError: The source means nothing, or the folder does not exist.
        UnknownNameError: No model has this name.
        HubError: The Hub does not say what the revision is.
    """
    from ganzoo.sources import Folder, parse_source

    parsed = parse_source(source, revision)
    if parsed.kind == "name":
        entry = _find_pretrained(parsed.value)
        if parsed.revision or not entry.factory:
            return _published(entry, parsed.revision, str(source), access)
        path = _package_folder(entry)
    elif parsed.kind == "hub":
        return _on_hub(parsed.value, parsed.revision, str(source), access)
    else:
        path = Path(parsed.value)
    if not is_folder(path):
        raise SourceError(f"there is no folder {str(path)[:200]!r}; give one that save_pretrained wrote")
    return Folder(path.expanduser())


def _find_pretrained(name: str) -> "Entry":
    from ganzoo.sources import other_spellings

    try:
        return plugins.find("pretrained", name)
    except UnknownNameError as error:
        hint = other_spellings(name)
        if not hint:
            raise
        raise SourceError(f"{name!r} could mean several things{hint}. As a name: {error}") from error


def _package_folder(entry: "Entry") -> Path:
    package, _, folder = str(entry.factory).partition(":")
    try:
        root = Path(str(package_files(package.partition(".")[0])))
    except (ImportError, TypeError) as error:
        raise SourceError(f"{entry.full_name!r} of {entry.provider} names no package's folder: {error}") from error
    return root.joinpath(*package.split(".")[1:], folder)


def _published(entry: "Entry", revision: str, loading: str, access: Mapping[str, Any]) -> "ModelFiles":
    place = entry.published
    if place is None:
        raise SourceError(
            f"{loading!r} asks for {revision!r} of a model that is not published on the Hugging Face Hub; load "
            f"{entry.full_name!r}, which comes with {entry.provider}, or a repository as 'hf-hub:ORG/NAME@{revision}'"
        )
    wanted = revision or place.revision
    return _on_hub(place.repo_id, wanted, loading, access, place.sha256 if wanted == place.revision else None)


def _on_hub(
    repo_id: str, revision: str, loading: str, access: Mapping[str, Any], sha256: Mapping[str, str] | None = None
) -> "ModelFiles":
    from ganzoo.hub.repository import Access, Repository

    return Repository(repo_id, revision, Access(**access), loading, sha256)


def list_architectures(pattern: str = "*", *, provider: str | None = None) -> list[str]:
    """List the names of architectures that match a glob pattern, of one distribution if `provider` is given."""
    return _names("architecture", pattern, provider)


def list_losses(pattern: str = "*", *, provider: str | None = None) -> list[str]:
    """List the names of terms that match a glob pattern, of one distribution if `provider` is given."""
    return _names("loss", pattern, provider)


def list_pretrained(pattern: str = "*", *, provider: str | None = None) -> list[str]:
    """List the names of pretrained models that match a glob pattern, of one distribution if `provider` is given."""
    return _names("pretrained", pattern, provider)


def list_datasets(pattern: str = "*", *, provider: str | None = None) -> list[str]:
    """List the names of data sets that match a glob pattern, of one distribution if `provider` is given."""
    return _names("dataset", pattern, provider)


def _names(kind: "Kind", pattern: str, provider: str | None) -> list[str]:
    return [entry.full_name for entry in plugins.entries(kind, pattern, provider)]
