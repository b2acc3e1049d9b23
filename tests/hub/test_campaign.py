import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[1] / "campaigns" / "hub.py"


@pytest.mark.slow
def test_a_short_campaign_finds_nothing(tmp_path):
    counts = ["--safetensors", "60", "--configs", "120", "--transfers", "12"]
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *counts, "--report", str(report)], capture_output=True, text=True, check=False
    )
    assert report.exists(), done.stderr
    told = json.loads(report.read_text())
    assert [row for row in told["rows"] if row["outcome"] != "ok"] == []
    assert (done.returncode, told["failed"]) == (0, 0)
    trials = {row["group"]: row["trials"] for row in told["rows"] if "struck" not in row}
    assert trials == {"safetensors": 60, "configs": 120, "transfers": 12}
    outcomes = {row["became"] for row in told["rows"] if "struck" in row}
    assert {"loaded", "right", "WeightsError", "ConfigError"} <= outcomes


SEEN = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from strangers import Watch
folder = Path(sys.argv[1])
def refused(act):
    with watch:
        act()
    try:
        watch.check(folder)
    except AssertionError:
        return True
watch = Watch()
acts = [lambda: open("/etc/passwd"), lambda: __import__("wave"),
        lambda: __import__("os").system("true"), lambda: __import__("socket").socket(),
        lambda: (folder / "x.py").touch()]
print([refused(act) for act in acts], refused(lambda: (folder / "config.json").read_text()))
"""


def test_the_campaign_sees_what_it_watches_for(tmp_path):
    (tmp_path / "config.json").touch()
    folders = [str(PROGRAM.parents[1] / name) for name in ("campaigns", "hub", ".")]
    done = subprocess.run(
        [sys.executable, "-c", SEEN, str(tmp_path), *folders], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["[True,", "True,", "True,", "True,", "True]", "None"], done.stderr
