"""Packs rendered OpenMoji pairs into the package's data files: `python make_data.py PAIRS.tar METADATA.csv`.

PAIRS.tar holds pictures of 128x64 pixels, the outline on white to the left and the coloured emoji to the right, and
METADATA.csv names each (`file`) and its emoji, annotation, group, subgroup, author and split_group.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from ganzoo.data.pairs import open_pairs

COLUMNS = ("hexcode", "emoji", "annotation", "group", "subgroup", "author", "split_group")


def main(pairs: str, metadata: str) -> None:
    """Write openmoji-64.npz and openmoji.csv beside the package's code."""
    folder = Path(__file__).parent / "ganzoo_openmoji"
    table = open_pairs(pairs)
    rows = sorted(csv.DictReader(Path(metadata).read_text(encoding="utf-8").splitlines()), key=lambda row: row["file"])
    if table.sources is None or len(rows) != len(table):
        raise SystemExit(f"{metadata} names {len(rows)} pictures, and {pairs} holds {len(table)}")
    outlines = table.sources[:, :1].numpy()
    if (table.sources.numpy() != outlines).any():
        raise SystemExit("an outline is not grey")
    np.savez_compressed(folder / "openmoji-64.npz", outlines=outlines, colours=table.samples.numpy())
    with (folder / "openmoji.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
