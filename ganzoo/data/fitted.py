"""Pictures for a model that is there already: in its size and colours, where whoever gives them leaves these open."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ganzoo import files, plugins
from ganzoo.data.folders import looks_like_pairs
from ganzoo.data.idx import has_idx_files
from ganzoo.data.loading import Data
from ganzoo.data.options import Mode, PictureOptions, read_text
from ganzoo.data.shelves import ARCHIVE
from ganzoo.errors import UnknownNameError

_MODES: dict[int, Mode] = {3: "RGB", 4: "RGBA"}


def fitted_pictures(data: Data, sample_shape: Sequence[int], split: str = "train") -> Data:
    """Return data with a model's size, and its colours if it has some, stated for a folder or an archive of pictures.

    What the text states already stays, and so does data of any other kind: its samples are what they are. A grey
    model's data keeps its colours, for grey weights can be made into coloured ones but no colours out of grey.

    Args:
        data: What `open_data` takes.
        sample_shape: The shape of the model's samples.
        split: Which part of the data is asked for.

    Raises:
        DataError: There are no pictures in the folder or archive, or it cannot be read.
        InputError: There is no such split.
    """
    if len(sample_shape) != 3 or not isinstance(data, str | os.PathLike):
        return data
    channels, height, width = sample_shape
    named = read_text(data) if isinstance(data, str) else None
    if named is not None:
        stated, options, place = named
    elif (path := _plain_pictures(data, split)) is not None:
        stated, options, place = None, PictureOptions(), str(path)
    else:
        return data
    if options.image_size is None:
        options = replace(options, image_size=(height, width))
    if options.mode == "auto" and channels in _MODES:
        options = replace(options, mode=_MODES[channels])
    return f"pictures{f'@{stated}' if stated is not None else ''}{options.to_text()}:{place}"


def _plain_pictures(data: str | os.PathLike[str], split: str) -> Path | None:
    """Return the path that data is, if `open_data` would read it as a folder or an archive of single pictures."""
    path = Path(data)
    if isinstance(data, str) and not (data.startswith((".", "~")) or path.is_absolute()):
        try:
            plugins.find("dataset", data)
        except UnknownNameError:
            pass
        else:
            return None
    path = files.from_home(path)
    if files.is_file(path):
        are_pictures = path.suffix.lower() != ".npz" and ARCHIVE.search(path.name) is not None
    else:
        are_pictures = files.is_folder(path) and not has_idx_files(path)
    return path if are_pictures and not looks_like_pairs(path, split) else None
