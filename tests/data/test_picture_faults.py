"""Damaged pictures: right pixels or a listed refusal, and never anything else."""

import logging
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from picture_faults import KINDS, fuzz, spoiled_folder
from picture_files import encoded, noise

import ganzoo
from ganzoo.data.inspection import inspect_pictures
from ganzoo.data.loading import open_data
from ganzoo.data.options import PictureOptions


def some(few, all_):
    """Return a few seeds for the ordinary run, and all of them for the run of all faults."""
    return [pytest.param(range(few), id="few"), pytest.param(range(all_), id="all", marks=pytest.mark.faults)]


@pytest.mark.parametrize("seeds", some(len(KINDS), 210))
def test_every_odd_file_is_read_rightly_or_listed(tmp_path, seeds, caplog):
    caplog.set_level(logging.INFO)
    expected = spoiled_folder(tmp_path, seeds)
    table = open_data(f"pictures,unreadable=0.99,held_out=0,labels=none:{tmp_path}")
    found, _ = inspect_pictures(tmp_path, PictureOptions(labels="none"))
    assert len(table) == len(expected) == len(seeds) - len(found.unreadable)
    assert sorted([*expected, *found.unreadable]) == sorted(path.name for path in tmp_path.iterdir())
    for samples, name in zip(table.samples, sorted(expected), strict=True):
        assert torch.equal(samples, torch.from_numpy(expected[name].copy()).permute(2, 0, 1)), name
    assert all(name in reason for name, reason in found.unreadable.items())
    assert f"{len(found.unreadable)} left out that cannot be read" in caplog.text


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("seeds", some(150, 1_000))
def test_mutated_pictures_are_read_or_refused(seeds):
    outcomes = {fuzz(seed) for seed in seeds}
    assert {"read", "the picture it cannot be read"} < outcomes


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bombs():
    """Return pictures that are small as files and large as anything else."""

    def png(width, height, *chunks):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")

    zeros = zlib.compress(b"\0" * 300_000_000, 9)
    text = zlib.compress(b"x" * 200_000_000, 9)
    frames = [noise(i, 2, 2) for i in range(2)]
    gif = encoded(frames[0], "GIF")
    one = gif[gif.index(b",") :].rstrip(b";")
    return {
        "pixels": png(20_000, 5_000, chunk(b"IDAT", zeros)),
        "more pixels": png(2**31 - 1, 2**31 - 1, chunk(b"IDAT", zeros)),
        "long side": encoded(np.zeros((1, 100_000, 3), dtype=np.uint8)),
        "text": png(2, 2, *[chunk(b"zTXt", b"a\0\0" + text)] * 3, chunk(b"IDAT", zlib.compress(b"\0" * 14))),
        "profile": png(2, 2, chunk(b"iCCP", b"a\0\0" + text), chunk(b"IDAT", zlib.compress(b"\0" * 14))),
        "frames": gif[: gif.index(b",")] + one * 100_000 + b";",
        "tiff": b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 4, 1, 2**31) + b"\0" * 4,
    }


@pytest.mark.slow
def test_bombs_are_refused_by_their_headers(tmp_path):
    for name, content in bombs().items():
        assert len(content) < 4_000_000
        (tmp_path / f"{name}.png").write_bytes(content)
    program = """
import resource, sys, time
from pathlib import Path
from ganzoo.data.loading import open_data
from ganzoo.data.pictures import decode
from ganzoo.errors import DataError
import numpy, io, PIL.Image
stream = io.BytesIO()
PIL.Image.new("RGB", (4, 4)).save(stream, "PNG")
decode(stream.getvalue(), "warm")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        shown = decode(path.read_bytes(), path.stem).size
    except DataError as error:
        shown = error
    print(path.stem, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, time.process_time(), shown, sep="|")
"""
    root = Path(ganzoo.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, cwd=root
    )
    rows = {row.split("|")[0]: row.split("|")[1:] for row in done.stdout.splitlines()}
    assert max(int(grown) for grown, _, _ in rows.values()) < 100_000, rows  # kB
    for name, says in {
        "pixels": "20000x5000 pixels",
        "more pixels": "far more pixels than the 67,108,864",
        "long side": "100000x1 pixels; from 1 to 67,108,864 are read, and up to 65,536 on a side",
        "text": "cannot be read",
        "tiff": "cannot be read|is not a picture",
    }.items():
        assert any(part in rows[name][2] for part in says.split("|")), rows[name]
    # Of many pictures the first is read, and the others are not looked at.
    assert rows["frames"][2] == "(2, 2)"
