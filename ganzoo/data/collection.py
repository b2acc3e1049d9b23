"""The pictures of one place on their way into a table: which of them, of what size and mode, decoded once."""

import hashlib
import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.data.layout import Layout
from ganzoo.data.mapped import filled
from ganzoo.data.options import PictureOptions, leaving_out
from ganzoo.data.pictures import decode, on_background, pixels
from ganzoo.data.resizing import resized
from ganzoo.data.shelves import ARCHIVE, Shelf
from ganzoo.data.survey import Header, reading, span, survey
from ganzoo.data.table import Table
from ganzoo.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger("ganzoo")

DEFAULT_SIZE = (64, 64)
DEFAULT_HELD_OUT, HELD_OUT_FROM = 0.1, 100

PIL_MODES = {"grey": "L", "RGB": "RGB", "RGBA": "RGBA"}
CHANNELS = {"grey": 1, "RGB": 3, "RGBA": 4}

_FORM = 2  # of what lies in the cache


class Collection:
    """The pictures of one split in one place.

    Args:
        shelf: Where they lie; it stays open while the table is made.
        layout: Which they are.
        split: The split they are.
        options: How they are to be read.

    Raises:
        DataError: Too many cannot be read, or none are of the split.
    """

    def __init__(self, shelf: Shelf, layout: Layout, split: str, options: PictureOptions) -> None:
        self.shelf, self.layout, self.split, self.asked = shelf, layout, split, options
        headers = survey(shelf, layout.names)
        self.good = {i: header for i, header in enumerate(headers) if isinstance(header, Header)}
        self.failed = {i: str(header) for i, header in enumerate(headers) if isinstance(header, DataError)}
        self._check_failed()
        self.options = self._resolved()
        self.chosen = self._chosen()

    def table(self) -> Table:
        """Decode the pictures.

        Raises:
            DataError: Too many cannot be read.
        """
        height, width = self.options.size or DEFAULT_SIZE
        digest = hashlib.sha256()
        for i in self.chosen:
            digest.update(repr((self.layout.names[i], self.good[i].digest)).encode())
        key = {"form": _FORM, "files": digest.hexdigest(), "options": self.options.to_text(), "decoder": _decoder()}
        shape = (len(self.chosen), CHANNELS[self.options.mode], height, width)
        samples, facts = filled(shape, key, self._fill)
        failed = {self.chosen[row]: str(message) for row, message in facts["failed"]}
        self.failed |= failed
        self._check_failed()
        kept = [i for i in self.chosen if i not in failed]
        labels = self.layout.labels
        # A training split goes without its name, so that the text can be asked for another split, too.
        suffix = "" if self.split == "train" else f"@{self.split}"
        place = self.shelf.path.absolute()
        table = Table(
            samples,
            None if labels is None else torch.tensor([labels[i] for i in kept]),
            self.layout.class_names,
            name=ARCHIVE.sub("", place.name) + suffix.replace("@", "-"),
            source=f"pictures{suffix}{self.options.to_text()}:{place}",
        )
        self._say(table, kept)
        return table

    def _check_failed(self) -> None:
        total = len(self.layout.names)
        if len(self.failed) / total <= self.asked.unreadable:  # a quotient, as the share in the text that goes on
            return
        # The text that goes on must leave out all, also those whose damage only decoding shows.
        self.failed |= self._damaged()
        bad = len(self.failed)
        some = "; ".join(list(self.failed.values())[:3])
        remedy = leaving_out(self.asked, bad / total, self.shelf.path)
        goes_on = f", or leave them out by {remedy!r}" if bad < total else ""
        raise DataError(
            f"{bad:,} of the {total:,} pictures in {str(self.shelf.path)!r} cannot be read, and "
            f"{self.asked.unreadable:.3g} of them may be left out: {some}; repair or remove them ('ganzoo data check "
            f"{self.shelf.path}' lists all){goes_on}"
        )

    def _damaged(self) -> dict[int, str]:
        """Decode the pictures of all splits whose headers were good, and return why some of them cannot be read."""
        good = [i for i in self.good if i not in self.failed]
        damaged = {}
        for position, content in reading(self.shelf, [self.layout.names[i] for i in good], "decoding pictures"):
            try:
                if isinstance(content, DataError):
                    raise content
                decode(content, self.layout.names[good[position]])
            except DataError as error:
                damaged[good[position]] = str(error)
        return damaged

    def _resolved(self) -> PictureOptions:
        """Return the options with nothing left open, the same for every split."""
        good = [*self.good.values(), *self._elsewhere()]
        size, mode, held_out = self.asked.size, self.asked.mode, self.asked.held_out
        if size is None:
            sizes = {header.size for header in good}
            size = next(iter(sizes))[::-1] if len(sizes) == 1 else DEFAULT_SIZE
        if mode == "auto":
            mode = "grey" if all(header.is_grey for header in good) else "RGB"
        if self.layout.has_splits:
            if held_out:
                raise DataError(
                    f"held_out is {held_out:g}, but {str(self.shelf.path)!r} has folders by split, so nothing is held "
                    "out of them; leave it away"
                )
            held_out = None
        elif held_out is None:
            held_out = DEFAULT_HELD_OUT if len(self.layout.names) >= HELD_OUT_FROM else 0.0
        return replace(self.asked, image_size=size, mode=mode, held_out=held_out)

    def _elsewhere(self) -> list[Header]:
        """Return the headers of the other splits' pictures, where these are needed; not of those that have none."""
        if not self.layout.elsewhere or (self.asked.size is not None and self.asked.mode != "auto"):
            return []
        return [each for each in survey(self.shelf, self.layout.elsewhere) if isinstance(each, Header)]

    def _chosen(self) -> list[int]:
        """Return the positions of the split's pictures."""
        share = self.options.held_out
        if share is None:
            return list(self.good)
        where = str(self.shelf.path)
        if self.split == "val":
            raise DataError(f"{where!r} has no folders by split, so there are only 'train' and 'test'; use one")
        is_test = [int.from_bytes(self.good[i].digest[:8], "big") < share * 2**64 for i in self.good]
        chosen = [i for i, test in zip(self.good, is_test, strict=True) if test == (self.split == "test")]
        if not chosen:
            raise DataError(
                f"of the {len(self.good):,} pictures in {where!r} none fall to the split {self.split!r}, as {share:g} "
                f"of them are held out for 'test'; choose another share, such as 'pictures,held_out=0.2:{where}', or "
                "use the other split"
            )
        return chosen

    def _fill(self, samples: Tensor) -> tuple[int, dict[str, Any]]:
        failed: list[list[Any]] = []  # by row: what lies in the cache is of the chosen alone
        is_passing = False
        names = [self.layout.names[i] for i in self.chosen]
        for row, content in reading(self.shelf, names, "reading pictures"):
            try:
                samples[row] = pixels(self._picture(content, self.chosen[row]))
            except _ChangedError as error:
                is_passing = True
                failed.append([row, str(error)])
            except DataError as error:
                failed.append([row, str(error)])
        bad = {row for row, _ in failed}
        kept = [row for row in range(len(names)) if row not in bad]
        for to, row in enumerate(kept):
            if to != row:
                samples[to] = samples[row]
        return len(kept), {"failed": sorted(failed), "passing": is_passing}

    def _picture(self, content: bytes | DataError, i: int) -> "Image.Image":
        if isinstance(content, DataError):
            raise _ChangedError(str(content)) from content
        name, options = self.layout.names[i], self.options
        if hashlib.sha256(content).digest() != self.good[i].digest:
            raise _ChangedError(f"the picture {name!r} changed while the data was read; leave it alone meanwhile")
        image = decode(content, name)
        image = image if options.mode == "RGBA" else on_background(image, options.background)
        height, width = options.size or DEFAULT_SIZE
        return resized(image.convert(PIL_MODES[options.mode]), (width, height), options.resize, options.background)[0]

    def _say(self, table: Table, kept: list[int]) -> None:
        """Log what the table is, and what was done to its pictures."""
        options, headers = self.options, [self.good[i] for i in kept]
        height, width = table.sample_shape[1:]
        sizes = [header.size for header in headers if header.size != (width, height)]
        is_cut = options.resize == "crop" and any(size[0] * height != size[1] * width for size in sizes)
        cut_off = ", which keeps the middle (resize=pad keeps all)" if is_cut else ""
        counts = Counter[str]()
        for header in headers:
            counts["transparent"] += header.is_transparent and options.mode != "RGBA"
            counts["animated"] += header.is_animated
            counts["profile"] += header.has_profile
            counts["coloured"] += not header.is_grey and options.mode == "grey"
        held_out = len(self.good) - len(self.chosen)
        others = self.layout.others
        done = [
            (sizes, f"{len(sizes):,} of {span(sizes)} brought to it by resize={options.resize}{cut_off}"),
            (counts["coloured"], f"{counts['coloured']:,} in colours made grey"),
            (counts["transparent"], f"{counts['transparent']:,} with transparent parts laid on {options.background}"),
            (counts["animated"], f"of {counts['animated']:,} animations the first picture taken"),
            (counts["profile"], f"{counts['profile']:,} colour profiles not applied"),
            (held_out, f"{held_out:,} more are the split {'test' if self.split == 'train' else 'train'!r}"),
            (others, f"{len(others):,} other files passed over, such as {others[0] if others else None!r}"),
            (self.layout.empty, f"folders without pictures left out: {', '.join(map(repr, self.layout.empty[:3]))}"),
            (self.failed, f"{len(self.failed):,} left out that cannot be read: {'; '.join(_first(self.failed))}"),
        ]
        said = [sentence for happened, sentence in done if happened]
        labels = f", {table.num_classes} classes" if table.num_classes else ""
        kind = f"{len(table):,} pictures, {options.mode}, {height} high and {width} wide{labels}"
        logger.log(logging.WARNING if said else logging.INFO, "%s: %s", table.name, "; ".join([kind, *said]))


class _ChangedError(DataError):
    """A file is not what it was when its header was read."""


def _first(failed: dict[int, str]) -> list[str]:
    return list(failed.values())[:3]


def _decoder() -> str:
    import PIL

    return PIL.__version__
