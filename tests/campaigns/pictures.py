"""The long campaign on pictures: many mutated files, and folders of many files; run by hand.

    python tests/campaigns/pictures.py --mutations 10000
    python tests/campaigns/pictures.py --replay 17
    python tests/campaigns/pictures.py --files 100000

A mutated picture is a function of its seed. It must be read or refused by a DataError, within two seconds of processor
time. The report has one row for each outcome, with the seeds; a failed trial has a row of its own, with what was wrong.
A folder of many small files must be listed within ten seconds.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "data"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from checkpoints import commit, ranges
from picture_faults import fuzz, mutated
from picture_files import encoded, noise

LISTING_SECONDS, LISTING_MB = 10, 200


def mutations(seeds):
    """Read each mutated picture and return the rows."""
    found, rows = defaultdict(list), []
    for number, seed in enumerate(seeds, start=1):
        try:
            found[fuzz(seed)].append(seed)
        except AssertionError as error:
            rows.append({"group": "mutations", "seeds": str(seed), "outcome": f"FAILED: {str(error)[:500]}"})
        if sys.stderr.isatty():
            print(f"\rmutations {number}/{len(seeds)}", end="", file=sys.stderr, flush=True)
    good = [
        {"group": "mutations", "became": became, "trials": len(some), "seeds": ranges(some), "outcome": "ok"}
        for became, some in sorted(found.items())
    ]
    return good + rows


def folder_of(files):
    """List a folder of so many small files in 100 classes, and open it as a table; return the row."""
    from ganzoo.data.layout import lay_out
    from ganzoo.data.loading import open_data
    from ganzoo.data.shelves import FolderShelf

    contents = [encoded(noise(seed, 8, 8)) for seed in range(100)]
    with tempfile.TemporaryDirectory() as place:
        for number in range(files):
            folder = Path(place) / f"class{number % 100:02}"
            folder.mkdir(exist_ok=True)
            (folder / f"{number:07}.png").write_bytes(contents[number % 100])
        open_data(place + "/class00")  # so that what is imported and made once is not counted
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        layout = lay_out(FolderShelf(Path(place)), "train", "folders")
        listed = time.monotonic() - started
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert len(layout.names) == files
        started = time.monotonic()
        table = open_data(f"pictures,held_out=0:{place}")
        opened = time.monotonic() - started
        assert len(table) == files
    is_good = listed < LISTING_SECONDS and grown < LISTING_MB
    return {
        "group": "files",
        "files": files,
        "listing_seconds": round(listed, 2),
        "listing_mb": round(grown, 1),
        "opening_seconds": round(opened, 1),
        "outcome": "ok" if is_good else "FAILED: too slow or too large",
    }


def main():
    """Run what was asked for and write the report."""
    parser = argparse.ArgumentParser(prog="python tests/campaigns/pictures.py", description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=0, help="mutated pictures")
    parser.add_argument("--files", type=int, default=0, help="list and open a folder of so many files")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--replay", type=int, metavar="SEED", help="read one mutated picture again")
    parser.add_argument("--keep", type=Path, help="with --replay, write the mutated picture to this file")
    parser.add_argument("--report", type=Path, default=Path("docs/reports/pictures.json"), help="where the report goes")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.replay is not None:
        if asked.keep:
            asked.keep.write_bytes(mutated(asked.replay)[1])
        print(fuzz(asked.replay))
        return
    started, tested = time.monotonic(), commit()
    rows = mutations(range(asked.seed, asked.seed + asked.mutations))
    rows += [folder_of(asked.files)] if asked.files else []
    report = {
        "command": f"python tests/campaigns/pictures.py {' '.join(sys.argv[1:])}".strip(),
        "commit": tested,
        "seconds": round(time.monotonic() - started),
        "failed": sum(row["outcome"] != "ok" for row in rows),
    }
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    head, _, _ = json.dumps({**report, "rows": []}, indent=1).rpartition("[]")
    asked.report.write_text(head + "[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]\n}\n")
    print(f"{report['failed']} of {len(rows)} rows failed; the report is in {asked.report}")
    sys.exit(1 if report["failed"] else 0)


if __name__ == "__main__":
    main()
