"""What the string given to `load` means.

| source | meaning |
| --- | --- |
| `"dcgan-mnist"` | a bundled model |
| `"plugin/name"` | a model that a plugin brings |
| `"local-dir:PATH"`, or any `os.PathLike` | a folder that `save_pretrained` wrote |
"""

import os
import re
from dataclasses import dataclass
from typing import Literal

from ganzoo.errors import SourceError
from ganzoo.files import is_folder

LOCAL = "local-dir:"
HUB = ("hf-hub:", "hf://")
NAME = re.compile(r"[A-Za-z_][\w-]*(/[A-Za-z_][\w-]*)?", re.ASCII)


@dataclass(frozen=True)
class Source:
    """Where a model comes from.

    Attributes:
        kind: `"name"` for a registered model, `"folder"` for a local one.
        value: The name, or the folder's path.
    """

    kind: Literal["name", "folder"]
    value: str


def parse_source(source: str | os.PathLike[str]) -> Source:
    """Read what was given to `load`.

    Raises:
        SourceError: It means nothing, or could mean two things.
    """
    if isinstance(source, os.PathLike):
        return Source("folder", os.fspath(source))
    if not isinstance(source, str):
        raise SourceError(
            f"a model was asked for by a {type(source).__name__}; it takes a name, a path or 'local-dir:PATH'"
        )
    if source.startswith(LOCAL):
        return Source("folder", source.removeprefix(LOCAL))
    if source.startswith(HUB):
        raise SourceError(
            f"{source!r} is on the Hugging Face Hub, from which this version cannot load; download the folder "
            f"and load '{LOCAL}PATH'"
        )
    if NAME.fullmatch(source):
        return Source("name", source)
    hint = f"; for the folder of this path write '{LOCAL}{source}'" if source and is_folder(source) else ""
    raise SourceError(
        f"{source!r} is no model's name{hint}; see 'ganzoo list --kind pretrained', or give '{LOCAL}PATH'"
    )
