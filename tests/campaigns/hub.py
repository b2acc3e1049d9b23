"""The long campaign on strangers' models and on transfers from the Hub; run by hand.

    python tests/campaigns/hub.py --safetensors 10000 --configs 10000 --transfers 1000
    python tests/campaigns/hub.py --replay configs:17

Each trial is a function of its seed. A mutated safetensors file must load as exactly the tensors that it declares, or
be refused; a mutated config.json must do no more than that, nor import, open or run anything that it names; a transfer
from a loopback Hub must end with the right weights or with a HubError, within its time, and its cache must work
afterwards. The report has one row for each way to strike and outcome, with the seeds; a failed trial has a row of its
own.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hub"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from checkpoints import commit, ranges
from hub_settings import Account
from loopback_hub import LoopbackHub, client_environment
from strangers import Models
from transfer_faults import MODEL, Transfers

HUB_SECONDS = 1.0  # the limit of a load while something strikes
QUIET_SECONDS = 60.0  # the limit when nothing does
GRACE_SECONDS = 5.0


class Downloads:
    """A model on two loopback Hubs, by LFS and by xet, and the client of this process set to them."""

    def __init__(self, folder, hubs):
        import ganzoo
        from ganzoo import publishing, zoo
        from ganzoo.hub import limits
        from ganzoo.hub.pushing import Target

        limits.PAUSE = 0.01
        self.folder, self.slowest = folder, 0.0
        names = {"ring": "mlp-ring", "grid": "mlp-grid"}
        self.right = {data: ganzoo.load(name).state_dict() for data, name in names.items()}
        size = (zoo.locate("mlp-ring").folder / "generator.safetensors").stat().st_size
        self.transfers = []
        for hub, xet in zip(hubs, (False, True), strict=True):
            account = Account(hub, folder, xet)
            hub.add_user("someone", token=account.token)
            self.set_transport(xet)
            commits = [
                publishing.push(name, Target(repo_id=MODEL, overwrite_card=True, **account.writing)).commit
                for name in names.values()
            ]
            self.transfers.append(Transfers(account, *commits, size))

    def set_transport(self, xet):
        from huggingface_hub import constants

        constants.HF_HUB_DISABLE_XET = not xet

    def load(self, at, seconds):
        """Load the model; return whose it is, or the error, after checking both."""
        import ganzoo
        from ganzoo.errors import HubError
        from ganzoo.hub.limits import VARIABLE

        os.environ[VARIABLE] = str(seconds)
        started = time.monotonic()
        try:
            gan = ganzoo.load(f"hf-hub:{MODEL}", **at.account.reading)
        except HubError as error:
            outcome, shown = type(error).__name__, str(error)
        else:
            outcome = gan.config.training["data"]
            state, right = gan.state_dict(), self.right[outcome]
            assert state.keys() == right.keys()
            assert all(tensor.equal(right[name]) for name, tensor in state.items()), "wrong bytes were accepted"
            shown = ""
        took = time.monotonic() - started
        for secret in (at.hub.store.users["someone"].token, "hf_a_wrong_token"):
            assert secret not in shown, "an error shows the token"
        assert took < seconds + GRACE_SECONDS, f"it took {took:.1f} s of {seconds} s"
        self.slowest = max(self.slowest, took if seconds == HUB_SECONDS else 0.0)
        leaks = at.hub.leaks()
        assert not leaks, f"a token went to {leaks[0].origin}: {leaks[0].method} {leaks[0].path}"
        return outcome

    def transfer(self, seed):
        """Load the model while something goes wrong, and again when nothing does."""
        rng = random.Random(seed)
        at = self.transfers[rng.random() < 0.25]
        self.set_transport(at.account.xet)
        at.account.cache = self.folder / f"cache-{seed}"
        at.reset()
        there = set(self.folder.iterdir())
        kept = rng.random() < 0.2 and self.load(at, QUIET_SECONDS)
        if kept and rng.random() < 0.5:
            damage_cache(at.account.cache, rng)
        try:
            struck = at.strike(rng)
            outcome = self.load(at, HUB_SECONDS)
            at.reset()
            assert self.load(at, QUIET_SECONDS) == "ring", "another model than the branch has"
        finally:
            at.reset()
            shutil.rmtree(at.account.cache, ignore_errors=True)
            at.hub.requests.clear()
        made = {path for path in self.folder.iterdir() if not path.name.startswith("cache-")} - there
        assert not made, f"outside the cache there is now {made}"
        became = "right" if outcome in self.right else outcome
        return f"{'xet' if at.account.xet else 'LFS'}: {struck}{', cached' if kept else ''}", became


def damage_cache(cache, rng):
    """Flip a byte of a cached file, or cut it short."""
    path = rng.choice(sorted(path.resolve() for path in cache.rglob("snapshots/*/*")))
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.chmod(0o644)
    path.write_bytes(content if rng.random() < 0.7 else content[: rng.randrange(len(content))])


def conduct(group, perform, seeds):
    """Run the trials of a group and return their rows."""
    found, rows = defaultdict(list), []
    for number, seed in enumerate(seeds, start=1):
        try:
            found[perform(seed)].append(seed)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            told = f"{type(error).__name__}: {error}"[:500]
            rows.append({"group": group, "seeds": str(seed), "outcome": f"FAILED: {told}"})
        if sys.stderr.isatty():
            print(f"\r{group} {number}/{len(seeds)}", end="", file=sys.stderr, flush=True)
    good = [
        {"group": group, "struck": struck, "became": became, "trials": len(some), "seeds": ranges(some)}
        for (struck, became), some in sorted(found.items())
    ]
    return [row | {"outcome": "ok"} for row in good] + rows


def campaign(asked, folder, hubs):
    """Run what was asked for and return the rows; or one trial again, and return what became of it."""
    models, downloads = Models(folder / "models"), Downloads(folder, hubs)
    groups = {"safetensors": models.weights, "configs": models.config, "transfers": downloads.transfer}
    if asked.replay:
        group, _, seed = asked.replay.partition(":")
        return groups[group](int(seed))
    rows = []
    for group, perform in groups.items():
        models.slowest, models.largest, started = 0.0, 0.0, time.monotonic()
        rows += conduct(group, perform, range(asked.seed, asked.seed + getattr(asked, group)))
        row = {"group": group, "trials": getattr(asked, group), "seconds": round(time.monotonic() - started)}
        if group == "transfers":
            row |= {"limit_seconds": HUB_SECONDS, "slowest_seconds": round(downloads.slowest, 2)}
        else:
            row |= {"slowest_seconds": round(models.slowest, 2), "largest_growth_mb": round(models.largest, 1)}
        rows.append(row | {"outcome": "ok"})
    return rows


def main():
    """Read what is asked for, and write the report."""
    parser = argparse.ArgumentParser(prog="python tests/campaigns/hub.py", description=__doc__.splitlines()[0])
    parser.add_argument("--safetensors", type=int, default=0, help="mutated weights")
    parser.add_argument("--configs", type=int, default=0, help="mutated config.json")
    parser.add_argument("--transfers", type=int, default=0, help="faults of transfers")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--replay", metavar="GROUP:SEED", help="run one trial again, such as configs:17")
    parser.add_argument("--report", type=Path, default=Path("docs/reports/hub.json"), help="where the report goes")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    started, tested = time.monotonic(), commit()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve()
        with LoopbackHub(folder / "lfs") as lfs, LoopbackHub(folder / "xet") as xet:
            environment = client_environment(lfs, home=folder / "home", xet=True, HF_HUB_VERBOSITY="critical")
            os.environ.clear()  # before the client is imported, which reads it then
            os.environ.update(environment)
            rows = campaign(asked, folder, (lfs, xet))
    if asked.replay:
        print(*rows, sep=": ")
        return
    report = {
        "command": f"python tests/campaigns/hub.py {' '.join(sys.argv[1:])}".strip(),
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
