"""Where the bundled models are on the Hugging Face Hub, as `ganzoo publish-zoo` wrote it down."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ganzoo import files
from ganzoo.errors import OutputError, RegistrationError
from ganzoo.registry import Published

PATH = Path(__file__).parent / "pretrained" / "published.json"


def read_published(path: Path = PATH) -> dict[str, Published]:
    """Return where each bundled model is, by its name; nothing while none is published.

    Raises:
        RegistrationError: The file is damaged.
    """
    try:
        return {name: Published(**place) for name, place in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RegistrationError(
            f"{str(path)!r} cannot be read ({str(error)[:200]}); install ganzoo again, or write {{}} in it"
        ) from error


def write_published(published: Mapping[str, Published], path: Path = PATH) -> None:
    """Write down where each bundled model is.

    Raises:
        OutputError: The file cannot be written, because ganzoo is installed where this user may not write.
    """
    content = {name: asdict(place) for name, place in sorted(published.items())}
    try:
        files.write_text(path, json.dumps(content, indent=2) + "\n")
    except OutputError as error:
        raise OutputError(
            f"cannot write {str(path)!r}, where ganzoo is installed; publish from a source checkout: pip install -e ."
        ) from error
