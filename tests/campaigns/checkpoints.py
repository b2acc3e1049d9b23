"""The long campaigns: many kills, signals and damaged checkpoints, and a soak; run by hand.

    python tests/campaigns/checkpoints.py --kills 100 --signals 200 --mutations 10000
    python tests/campaigns/checkpoints.py --replay kills:17
    python tests/campaigns/checkpoints.py soak --minutes 120

Each trial is a function of its seed. The report has one row for each group of trials that struck alike, with their
seeds; a failed trial has a row of its own, with what was wrong.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "faults"))
import harness

CRASHED_SAVES = (1, 4)  # the first save of a run, and the first that removes older checkpoints


def mutations(folder):
    """Return the trial of damaged checkpoints."""
    import torch

    from ganzoo.training.checkpoints import CheckpointStore

    source = folder / "checkpoints"
    for images in (80, 160):
        tensors = {"weights": torch.randn(20, 30), "step": torch.tensor(images)}
        CheckpointStore(source, 2).save(images, tensors, {"images": images, "step": images // 16})
    return lambda seed: harness.mutate(source, folder / "copy", seed)


def trial(group, folder, site):
    """Return the function of a seed that is one trial of a group."""
    if group == "mutations":
        return mutations(folder)
    if group == "crashes":
        return lambda seed: harness.crash(site, seed % 1000, save=seed // 1000)
    return lambda seed: {"kills": harness.kill, "signals": harness.interrupt}[group](site, seed)


def place(group, struck):
    """Return the part of where a trial struck that trials have in common."""
    return struck.split(" after ")[0] if group in ("signals", "mutations") else ""


def conduct(group, seeds, folder, site):
    """Run the trials of a group and return their rows."""
    perform, rows, found = trial(group, folder, site), [], defaultdict(list)
    for number, seed in enumerate(seeds, start=1):
        try:
            found[place(group, perform(seed))].append(seed)
        except AssertionError as error:
            rows.append({"group": group, "seeds": str(seed), "outcome": f"FAILED: {str(error)[:500]}"})
        if sys.stderr.isatty():
            print(f"\r{group} {number}/{len(seeds)}", end="", file=sys.stderr, flush=True)
    good = [
        {"group": group, "struck": struck, "trials": len(some), "seeds": ranges(some), "outcome": "ok"}
        for struck, some in sorted(found.items())
    ]
    return good + rows


def ranges(seeds):
    """Write numbers as text such as `0-4 7`, and no more than the first few parts of it."""
    parts = []
    for seed in sorted(seeds):
        if parts and parts[-1][1] == seed - 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in parts]
    return " ".join(texts[:12]) + (f" and {len(texts) - 12} more" if len(texts) > 12 else "")


def slope(times, values):
    """Return the least-squares slope of values over times."""
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time_ - middle) ** 2 for time_ in times)
    return sum((time_ - middle) * (value - mean) for time_, value in zip(times, values, strict=True)) / spread


# glibc keeps what is freed for later use, and its heap grows now and then by a step of some MB that says nothing of
# what the program holds. With these it gives memory back at once, so that the resident size is what is in use.
GIVING_BACK = {"MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}


def lowest_of_each_minute(samples):
    """Return each minute's sample with the least memory: what is freed and taken again within seconds is no growth."""
    lowest = {}
    for sample in samples:
        minute = int(sample["hours"] * 60)
        lowest[minute] = min(lowest.get(minute, sample), sample, key=lambda each: each["rss_mb"])
    return list(lowest.values())


def soak(folder, minutes, every):
    """Train for so many minutes and return how memory, descriptors, threads and files grew."""
    os.environ.update(GIVING_BACK)
    nursery, run = harness.Nursery(), folder / "soak"
    pid = nursery.start(harness.arguments(run, harness.ENDLESS), output=folder / "soak.txt")
    harness.wait_for(run / "config.toml")
    process, samples, end = psutil.Process(pid), [], time.monotonic() + minutes * 60
    time.sleep(min(every, 5))
    while time.monotonic() < end:
        samples.append(
            {
                "hours": time.monotonic() / 3600,
                "rss_mb": process.memory_info().rss / 2**20,
                "fds": process.num_fds(),
                "threads": process.num_threads(),
            }
        )
        time.sleep(every)
    process.terminate()
    code = nursery.wait(pid)
    nursery.close()
    settled = samples[len(samples) // 5 :]  # the first fifth is warming up
    lows = lowest_of_each_minute(settled)
    sizes = [low["rss_mb"] for low in lows]
    rate = slope([low["hours"] for low in lows], sizes)
    left = harness.examine(run)
    stray = left["stray"]
    steady = {key: sorted({sample[key] for sample in settled}) for key in ("fds", "threads")}
    row = {
        "group": "soak",
        "minutes": minutes,
        "samples": len(samples),
        "images": left["logged"],
        "rss_mb": [round(sizes[0], 1), round(sizes[-1], 1)],
        "rss_mb_range": [round(end(low["rss_mb"] for low in settled), 1) for end in (min, max)],
        "rss_mb_each_minute": [round(size, 2) for size in sizes],
        "rss_mb_per_hour": round(rate, 2),
        **steady,
        "stray_files": len(stray),
        "environment": GIVING_BACK,
        "exit_code": code,
    }
    grows = rate >= 1 or steady["fds"][-1] - steady["fds"][0] > 2 or len(steady["threads"]) > 1 or stray or code != 143
    return [{**row, "outcome": "FAILED: it grows" if grows else "ok"}]


def commit():
    """Return the commit that was tested."""
    answer = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def main():
    """Run what was asked for and write the report."""
    parser = argparse.ArgumentParser(prog="python tests/campaigns/checkpoints.py", description=__doc__.splitlines()[0])
    parser.add_argument("mode", nargs="?", choices=["trials", "soak"], default="trials")
    parser.add_argument("--kills", type=int, default=0, help="kill -9 at random moments")
    parser.add_argument("--crashes", type=int, default=-1, help="crash at so many operations of a save; all: -1")
    parser.add_argument("--signals", type=int, default=0, help="signals at random moments")
    parser.add_argument("--mutations", type=int, default=0, help="damaged checkpoints")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--replay", metavar="GROUP:SEED", help="run one trial again, such as kills:17")
    parser.add_argument("--minutes", type=float, default=120, help="how long to soak")
    parser.add_argument("--every", type=float, default=60, help="seconds between two samples of a soak")
    parser.add_argument("--report", type=Path, help="where the report goes")
    asked = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place_:
        folder = Path(place_)
        if asked.mode == "soak":
            rows = soak(folder, asked.minutes, asked.every)
        else:
            nursery = harness.Nursery()
            site = harness.Site(folder, nursery)
            if asked.replay:
                group, _, seed = asked.replay.partition(":")
                print(trial(group, folder, site)(int(seed)))
                return
            crashes = [
                1000 * save + at for save in CRASHED_SAVES for at in range(1, harness.count_operations(site, save) + 1)
            ]
            seeds = {
                "kills": range(asked.seed, asked.seed + asked.kills),
                "crashes": crashes if asked.crashes < 0 else crashes[: asked.crashes],
                "signals": range(asked.seed, asked.seed + asked.signals),
                "mutations": range(asked.seed, asked.seed + asked.mutations),
            }
            rows = [row for group, some in seeds.items() for row in conduct(group, list(some), folder, site)]
            nursery.close()
    report = {
        "command": f"python tests/campaigns/checkpoints.py {' '.join(sys.argv[1:])}".strip(),
        "commit": commit(),
        "seconds": round(time.monotonic() - started),
        "failed": sum(row["outcome"] != "ok" for row in rows),
        "rows": rows,
    }
    path = asked.report or Path("docs/reports") / ("soak.json" if asked.mode == "soak" else "checkpoints.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    head, _, _ = json.dumps({**report, "rows": []}, indent=1).rpartition("[]")
    path.write_text(head + "[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]\n}\n")
    print(f"{report['failed']} of {len(rows)} rows failed; the report is in {path}")
    sys.exit(1 if report["failed"] else 0)


if __name__ == "__main__":
    main()
