"""What the string given to `load` means.

| source | meaning |
| --- | --- |
| `"dcgan-mnist"` | a bundled model |
| `"dcgan-mnist@REV"` | the same model as it was published on the Hugging Face Hub, at a branch, tag or commit |
| `"plugin/name"` | a model that a plugin brings |
| `"hf-hub:org/name"`, `"hf-hub:org/name@REV"` | a repository on the Hub; `hf://` means the same |
| `"local-dir:PATH"`, or any `os.PathLike` | a folder that `save_pretrained` wrote |

What could mean two things, such as `org/name` without its `hf-hub:`, is refused, naming the spellings.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ganzoo.errors import ConfigError, SourceError, WeightsError
from ganzoo.files import from_home, is_file, is_folder
from ganzoo.registry import REPOSITORY

LOCAL = "local-dir:"
HUB = ("hf-hub:", "hf://")
NAME = re.compile(r"[A-Za-z_][\w-]*(/[A-Za-z_][\w-]*)?", re.ASCII)
# A branch, a tag, a commit or refs/pr/N. It becomes a path in the cache, so nothing may lead out of there.
REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][\w.+-]{0,199}(/[A-Za-z0-9_][\w.+-]{0,199}){0,9}", re.ASCII)


@dataclass(frozen=True)
class Source:
    """Where a model comes from.

    Attributes:
        kind: `"name"` for a registered model, `"hub"` for a repository on the Hub, `"folder"` for a local one.
        value: The name, the repository's id, or the folder's path.
        revision: A branch, tag or commit on the Hub; empty for none given.
    """

    kind: Literal["name", "hub", "folder"]
    value: str
    revision: str = ""


class ModelFiles(Protocol):
    """The files of one model, wherever they are."""

    def path(self, file: str, *, largest: int, sha256: str = "") -> Path:
        """Return a file's path on this machine, fetched there if need be.

        Args:
            file: Its plain name.
            largest: Refuse it if it has more bytes.
            sha256: What its SHA-256 must be; empty where that is not known.
        """

    def size(self, file: str) -> int:
        """Return how many bytes a file has; 0 if it is not there."""


@dataclass(frozen=True)
class Folder:
    """A model's folder on this machine."""

    folder: Path

    def path(self, file: str, *, largest: int, sha256: str = "") -> Path:
        """Return a file's path; whether it is there, and is what `sha256` says, is for its reader to find out.

        Raises:
            ConfigError: config.json is too large.
            WeightsError: Another file is too large.
        """
        path, size = self.folder / file, self.size(file)
        if size > largest:
            refusal = ConfigError if file == "config.json" else WeightsError
            raise refusal(f"{str(path)!r} has {size} bytes; it takes at most {largest}; fetch the model again")
        return path

    def size(self, file: str) -> int:
        """Return how many bytes a file has; 0 if it is not there."""
        try:
            return (self.folder / file).stat().st_size
        except OSError:
            return 0


def parse_source(source: str | os.PathLike[str], revision: str | None = None) -> Source:
    """Read what was given to `load`.

    Args:
        source: The source.
        revision: A branch, tag or commit on the Hub, given beside the source.

    Raises:
        SourceError: It means nothing, or could mean two things, or names two revisions.
    """
    if isinstance(source, os.PathLike):
        return _folder(os.fspath(source), revision)
    if not isinstance(source, str):
        raise SourceError(
            f"a model was asked for by a {type(source).__name__}; it takes a name, a path, 'hf-hub:ORG/NAME' or "
            f"'{LOCAL}PATH'"
        )
    if source.startswith(LOCAL):
        return _folder(source.removeprefix(LOCAL), revision)
    prefix = next((prefix for prefix in HUB if source.startswith(prefix)), "")
    value, at, suffix = source.removeprefix(prefix).partition("@")
    if prefix:
        check_repository(value, source)
        return Source("hub", value, _revision(source, suffix if at else None, revision))
    if NAME.fullmatch(value):
        return Source("name", value, _revision(source, suffix if at else None, revision))
    hint = other_spellings(source)
    raise SourceError(
        f"{source!r} is no model's name{hint}; see 'ganzoo list --kind pretrained', or give '{LOCAL}PATH'"
    )


def check_repository(value: str, given: str = "") -> None:
    """Refuse what is no id of a repository on the Hub.

    Args:
        value: The id.
        given: What it is a part of, for the message.

    Raises:
        SourceError: It is not of the form ORG/NAME, or longer than the Hub allows.
    """
    if not isinstance(value, str) or not REPOSITORY.fullmatch(value):
        raise SourceError(
            f"{given or value!r} names no repository on the Hugging Face Hub; it takes ORG/NAME of letters, digits, "
            "'-', '_' and '.', such as 'hf-hub:someone/dcgan-faces@main'"
        )


def check_revision(revision: str, given: str = "") -> str:
    """Return a branch, tag or commit, after refusing what is none.

    Raises:
        SourceError: It is none.
    """
    if not isinstance(revision, str) or not REVISION.fullmatch(revision) or len(revision) > 250:
        raise SourceError(f"{given or repr(revision)} names no revision; it takes a branch, a tag or a commit")
    return revision


def other_spellings(text: str) -> str:
    """Return what a text that is no model's name could mean if it were spelt so, for a message; often nothing."""
    repository, _, revision = text.partition("@")
    is_repository = REPOSITORY.fullmatch(repository) and (not revision or REVISION.fullmatch(revision))
    hints = [f"for the repository on the Hugging Face Hub write 'hf-hub:{text}'"] if is_repository else []
    if text and is_folder(text):
        hints.append(hint_of_run(text) or f"for the folder of this path write '{LOCAL}{text}'")
    return "".join(f"; {hint}" for hint in hints)


def hint_of_run(folder: str | os.PathLike[str]) -> str:
    """Return where the models of a run's folder are, for a message; an empty string for any other folder."""
    path = from_home(folder)
    if is_file(path / "config.json") or not is_file(path / "config.toml"):
        return ""
    words = {"model": "model", "best": "best model"}
    models = [f"{words[name]} is '{LOCAL}{path / name}'" for name in words if is_file(path / name / "config.json")]
    if models:
        return f"{str(folder)!r} is the folder of a run, whose {' and whose '.join(models)}"
    return f"{str(folder)!r} is the folder of a run that has no model yet; go on with it: ganzoo resume {path}"


def _folder(path: str, revision: str | None) -> Source:
    if revision is not None:
        raise SourceError(f"the revision {str(revision)[:80]!r} was asked of the folder {path[:200]!r}; leave it out")
    return Source("folder", path)


def _revision(source: str, suffix: str | None, revision: str | None) -> str:
    if suffix is not None and revision is not None and suffix != revision:
        raise SourceError(f"{source!r} was given with revision={revision!r}; give one of the two")
    chosen = suffix if suffix is not None else revision
    return "" if chosen is None else check_revision(chosen, f"{source!r}" if suffix is not None else "")
