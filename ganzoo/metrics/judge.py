"""Judges: small classifiers whose features samples are measured on.

A judge consists of a network, which is registered with a name and a weights file in a package (`registry.judge`), and
of a JSON file beside the weights, which says what the network takes and gives and how good a classifier it is. The
network is an `nn.Module` that is built without arguments and maps uint8 pictures (N, C, H, W) of one shape, which it
normalises itself, to features (N, D), float32 and not negative, and to logits (N, K), the classes in the order of their
names. In eval mode it sees each picture alone, without chance.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganzoo import plugins, weights
from ganzoo.config import HEX_DIGEST, build_config, read_json_object
from ganzoo.errors import ConfigError, PluginError, WeightsError
from ganzoo.files import write_text
from ganzoo.metrics.features import Extractor
from ganzoo.registry import Entry


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is known of a judge.

    Attributes:
        input_shape: Of a picture it looks at, (C, H, W).
        features: How many features it gives a picture, D.
        class_names: What it tells apart, K names.
        accuracy: The share of held-out pictures whose class it names, in [0, 1], with the weights as stored.
        guessing: The share that naming the largest class for each would get right.
        data: What it was trained on.
        license: The licence of its weights.
        recipe: How it was trained.
        sha256: The digest of the weights file.
    """

    input_shape: tuple[int, int, int]
    features: int
    class_names: tuple[str, ...]
    accuracy: float
    guessing: float
    data: str
    license: str
    recipe: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in (self.accuracy, self.guessing)):
            raise ConfigError(f"a judge's accuracy is {self.accuracy}, guessing {self.guessing}; both are in [0, 1]")
        if self.features < 1 or len(self.class_names) < 2 or not all(size >= 1 for size in self.input_shape):
            raise ConfigError(
                f"a judge gives {self.features} features and {len(self.class_names)} classes of pictures of shape "
                f"{self.input_shape}; it takes sizes from 1, and at least 2 classes"
            )
        if self.sha256 and not HEX_DIGEST.fullmatch(self.sha256):
            raise ConfigError(f"a judge's sha256 is {self.sha256[:80]!r}; it takes 64 hex digits")


def load_judge(name: str) -> Extractor:
    """Load a judge, in eval mode.

    Args:
        name: Its registered name, such as `"judge-mnist"`.

    Returns:
        The judge: uint8 pictures (N, *input_shape) -> features (N, D), not negative, and logits (N, K).

    Raises:
        UnknownNameError: No judge has this name.
        AmbiguousNameError: Several plugins have a judge of this name.
        WeightsError: The weights are missing, damaged, or not those that the judge's JSON file names.
        PluginError: Its network cannot be imported, or is none.
    """
    entry = plugins.find("judge", name)
    described = describe_judge(entry)
    with _file(entry, ".safetensors") as path:
        tensors = weights.read_tensors(path, described.sha256)
    with torch.device("meta"):
        judge = entry.load()()
    if not isinstance(judge, nn.Module):
        raise PluginError(
            f"the judge {entry.full_name!r} of {entry.provider} is a {type(judge).__name__}; register a function that "
            "returns its network, an nn.Module"
        )
    weights.assign(judge, tensors, entry.full_name)
    judge.requires_grad_(False).eval()
    return Extractor(name=entry.name, sha256=described.sha256, network=judge.to(memory_format=torch.channels_last))


def describe_judge(entry: Entry) -> Description:
    """Read what is known of a registered judge, without its network.

    Args:
        entry: The judge's entry.

    Raises:
        WeightsError: Its JSON file is missing or damaged, or names no digest.
    """
    what = f"the judge {entry.full_name!r} of {entry.provider}"
    try:
        with _file(entry, ".json") as path:
            content = read_json_object(path.read_bytes(), path.name)
        described = build_config(Description, content, path.name)
    except (OSError, ConfigError) as error:
        raise WeightsError(f"{what} has no description that can be read ({error}); install it again") from error
    if not described.sha256:
        raise WeightsError(f"{what} names no sha256 of its weights; write its files with save_judge")
    return described


def save_judge(path: Path, network: nn.Module, described: Description) -> None:
    """Write a judge's weights, as float16 safetensors, and what is known of it beside them, as JSON.

    Args:
        path: The safetensors file; the JSON file has its name and the suffix .json.
        network: The judge's network, its weights rounded to float16 already, so that the accuracy is that of the file.
        described: What is known of it; its `sha256` is filled in.

    Raises:
        WeightsError: A weight is not finite.
        OutputError: A file cannot be written.
    """
    digest = weights.save_tensors(path, network.state_dict(), torch.float16)
    content = asdict(described) | {"sha256": digest}
    write_text(path.with_suffix(".json"), json.dumps(content, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def _file(entry: Entry, suffix: str) -> Iterator[Path]:
    """Give the path of a judge's weights file, or of what lies beside it with another suffix."""
    package, _, location = entry.weights.partition(":")
    try:
        file = files(package) / (location.removesuffix(".safetensors") + suffix)
    except ImportError as error:
        raise WeightsError(f"{entry.weights!r} of the judge {entry.full_name!r} names no package: {error}") from error
    with as_file(file) as path:
        yield path
