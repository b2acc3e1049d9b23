"""What is registered under which name, and who provides it."""

import functools
import importlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from ganzoo.errors import PluginError, RegistrationError

Kind: TypeAlias = Literal["architecture", "loss", "pretrained", "dataset", "augmentation", "judge", "callback"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# How a kind is called in a sentence.
KIND_WORDS: dict[Kind, str] = {kind: kind for kind in KINDS} | {"pretrained": "pretrained model", "dataset": "data set"}

NAME = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
FACTORY = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
LOCATION = re.compile(r"\w+(\.\w+)*:[\w./-]+")
WEIGHTS = re.compile(r"\w+(\.\w+)*:[\w./-]+\.safetensors")
# The Hub's own rule for a repository's id: each part within letters or digits, and no `--` or `..` in it.
_PART = r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?"
REPOSITORY = re.compile(rf"(?=.{{3,96}}\Z)(?!.*(?:--|\.\.|\.git\Z)){_PART}/{_PART}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

# A class, a function, or "package.module:attribute", which is imported when it is first needed.
Factory: TypeAlias = str | Callable[..., Any]


def normalise(name: str) -> str:
    """Return `name` as it is compared: `-` and `_` are the same."""
    return name.replace("-", "_")


@dataclass(frozen=True)
class Provider:
    """Who registered a name.

    Attributes:
        distribution: The installed distribution's name, as pip knows it.
        version: Its version.
        namespace: The entry point's name; None for what ganzoo itself provides.
    """

    distribution: str
    version: str
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Published:
    """Where a pretrained model is on the Hugging Face Hub.

    Attributes:
        repo_id: Its repository.
        revision: The commit, 40 hex digits.
        sha256: The SHA-256 of each of its files there, by name.
    """

    repo_id: str
    revision: str
    sha256: Mapping[str, str] = field(hash=False)

    def __post_init__(self) -> None:
        digests = self.sha256 if isinstance(self.sha256, Mapping) else {}
        is_named = all(isinstance(part, str) for part in (self.repo_id, self.revision, *digests, *digests.values()))
        if not (
            is_named
            and REPOSITORY.fullmatch(self.repo_id)
            and COMMIT.fullmatch(self.revision)
            and "config.json" in digests
            and all(DIGEST.fullmatch(digest) for digest in digests.values())
        ):
            raise RegistrationError(
                f"a model was registered as published at {self.repo_id!r}, {self.revision!r}, with {self.sha256!r}; "
                "give ORG/NAME, a commit of 40 hex digits, and the SHA-256 of each file, config.json's too"
            )


@dataclass(frozen=True)
class Entry:
    """One registered thing.

    Attributes:
        kind: What it is: one of `KINDS`.
        name: Its short name, spelt as registered.
        factory: What makes it, or for a pretrained model its location, `"package:folder"`; empty if on the Hub alone.
        summary: One line for listings.
        paper: Where it was published, or an empty string.
        provider: Who registered it.
        info: What else a listing shows (a pretrained model's `architecture` and `data`, a judge's `data`).
        published: Where a pretrained model is on the Hub; None for nowhere.
        weights: A judge's file, `"package:path.safetensors"`; empty for anything else.
    """

    kind: Kind
    name: str
    factory: Factory
    summary: str
    paper: str
    provider: Provider
    info: Mapping[str, str] = field(default_factory=dict, hash=False)
    published: Published | None = None
    weights: str = ""

    @property
    def full_name(self) -> str:
        """`namespace/name`, by which a plugin's name is always reachable; a built-in's name alone."""
        namespace = self.provider.namespace
        return self.name if namespace is None else f"{namespace}/{self.name}"

    def load(self) -> Any:
        """Return the factory, imported if it was registered as a string.

        Raises:
            PluginError: The import failed, or the module has no such attribute.
        """
        if not isinstance(self.factory, str):
            return self.factory
        module, _, attribute = self.factory.partition(":")
        try:
            return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"the {KIND_WORDS[self.kind]} {self.full_name!r} of {self.provider} cannot be imported from "
                f"{self.factory!r}: {type(error).__name__}: {error}"
            ) from error

    def is_made_by(self, factory: object) -> bool:
        """Tell whether `factory` is this entry's, without importing anything.

        Args:
            factory: A class or function.
        """
        if not isinstance(self.factory, str):
            return self.factory is factory
        if self.factory == f"{getattr(factory, '__module__', '')}:{getattr(factory, '__qualname__', '')}":
            return True
        # The string may name a re-export, whose module is then imported already.
        module, _, attribute = self.factory.partition(":")
        return factory is not None and getattr(sys.modules.get(module), attribute, None) is factory


class Registry:
    """What one provider registers. Names are unique within a kind.

    Every method may be called again with the same name and factory, which changes nothing, and raises
    `RegistrationError` for a name that is malformed or taken, or for a factory that cannot be one.

    Args:
        provider: Whose entries these are.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._entries: dict[tuple[Kind, str], Entry] = {}

    @property
    def entries(self) -> list[Entry]:
        """The entries, in the order in which they were registered."""
        return list(self._entries.values())

    def get(self, kind: Kind, name: str) -> Entry | None:
        """Return the entry with this short name, or None."""
        return self._entries.get((kind, normalise(name)))

    def architecture(self, name: str, factory: Factory, *, summary: str, paper: str = "") -> None:
        """Register an architecture.

        Args:
            name: Its name, letters, digits, `_` and `-`.
            factory: Its class, best as `"package.module:attribute"`.
            summary: One line for listings.
            paper: Where it was published.
        """
        self._add("architecture", name, factory, summary, paper)

    def loss(self, name: str, factory: Factory, *, summary: str, paper: str = "") -> None:
        """Register an adversarial loss, label trick, penalty, constraint or generator term; see `architecture`."""
        self._add("loss", name, factory, summary, paper)

    def pretrained(
        self,
        name: str,
        location: str = "",
        *,
        summary: str,
        architecture: str,
        data: str,
        published: Published | None = None,
    ) -> None:
        """Register a pretrained model: a folder in a package, a repository on the Hub, or both, the folder first.

        Args:
            name: Its name.
            location: Its folder inside an installed package, as `"package:folder"`; empty if it is on the Hub alone.
            summary: One line for listings.
            architecture: The name of its architecture.
            data: What it was trained on.
            published: Where it is on the Hub, with the SHA-256 of each file.
        """
        is_placed = LOCATION.fullmatch(location) if isinstance(location, str) and location else location == ""
        if not is_placed or not isinstance(published, Published | None) or not (location or published):
            raise RegistrationError(
                f"the pretrained model {name!r} of {self.provider} has the location {location!r}; give "
                "'package:folder', or published=ganzoo.registry.Published(...)"
            )
        info = {"architecture": architecture, "data": data}
        self._add("pretrained", name, location, summary, info=info, published=published)

    def dataset(self, name: str, factory: Factory, *, summary: str) -> None:
        """Register a data set; arguments as for `architecture`."""
        self._add("dataset", name, factory, summary)

    def augmentation(self, name: str, factory: Factory, *, summary: str, paper: str = "") -> None:
        """Register an augmentation, which is listed, but which nothing in ganzoo uses yet; see `architecture`."""
        self._add("augmentation", name, factory, summary, paper)

    def judge(self, name: str, factory: Factory, weights: str, *, summary: str, data: str = "") -> None:
        """Register a judge, a classifier whose features samples are measured on: see `ganzoo.metrics.judge`.

        Args:
            name: Its name, which `features=` takes.
            factory: What makes its network, untrained, best as `"package.module:attribute"`.
            weights: Its weights inside an installed package, as `"package:path.safetensors"`; beside them lies the JSON
                file that `ganzoo.metrics.judge.save_judge` wrote with them.
            summary: One line for listings.
            data: How the names begin of the data that it judges where no features are named; empty for none.
        """
        if not isinstance(weights, str) or not WEIGHTS.fullmatch(weights):
            raise RegistrationError(
                f"the judge {name!r} of {self.provider} has the weights {weights!r}; give 'package:path.safetensors'"
            )
        self._add("judge", name, factory, summary, info={"data": data}, weights=weights)

    def callback(self, name: str, factory: Factory, *, summary: str) -> None:
        """Register a callback, a class of `ganzoo.Callback` or a function that makes one; see `architecture`.

        A run calls it only where it was asked to: `Trainer(..., callbacks=[name])`, `ganzoo train --callback NAME`.
        """
        self._add("callback", name, factory, summary)

    def _add(
        self,
        kind: Kind,
        name: str,
        factory: Factory,
        summary: str,
        paper: str = "",
        info: Mapping[str, str] | None = None,
        published: Published | None = None,
        weights: str = "",
    ) -> None:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise RegistrationError(
                f"{self.provider} registers a {KIND_WORDS[kind]} as {name!r}; a name has letters, digits, '_' and '-', "
                "and starts with a letter or '_'"
            )
        is_factory = callable(factory) or (isinstance(factory, str) and FACTORY.fullmatch(factory))
        if kind != "pretrained" and not is_factory:
            raise RegistrationError(
                f"{self.provider} registers the {KIND_WORDS[kind]} {name!r} with {factory!r}; give a class, a function "
                "or 'package.module:attribute'"
            )
        known = self._entries.get((kind, normalise(name)))
        if known is None:
            entry = Entry(kind, name, factory, summary, paper, self.provider, info or {}, published, weights)
            self._entries[kind, normalise(name)] = entry
            return
        made_of = zip((known.factory, known.published, known.weights), (factory, published, weights), strict=True)
        for first, second in made_of:
            if first != second:
                raise RegistrationError(
                    f"{self.provider} registers the {KIND_WORDS[kind]} {name!r} twice, with {first!r} and with "
                    f"{second!r}; give one of them another name"
                )
