"""What the kernel sees of a save: files are flushed before the folder gets its name, and the name is flushed too."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ganzoo

SAVE = """
import sys, torch
from pathlib import Path
from ganzoo.training.checkpoints import CheckpointStore
CheckpointStore(Path(sys.argv[1]), 2).save(7, {"weights": torch.ones(9)}, {"images": 7})
"""


@pytest.mark.faults
def test_fsync_before_rename_before_fsync(tmp_path):
    if shutil.which("strace") is None:
        pytest.fail("strace is not installed; it shows the order in which a save reaches the disk")
    trace, folder = tmp_path / "trace", tmp_path / "checkpoints"
    command = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fsync,rename,renameat,renameat2", sys.executable]
    environment = os.environ | {"PYTHONPATH": str(Path(ganzoo.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "-c", SAVE, str(folder)], check=True, env=environment)
    calls = [line for line in trace.read_text().splitlines() if str(folder) in line]
    shown = []
    for line in calls:
        name = line.split("(")[0].split()[-1]
        path = re.findall(r'[<"]([^<>"]+)[>"]', line.split("(", 1)[1])[-1]
        shown.append((re.sub(r"at2?$", "", name), re.sub(r"\.tmp-\d+-[0-9a-f]+", "", Path(path).name).lstrip(".")))
    whole = shown.index(("rename", "000000007"))
    for part in ("state.safetensors", "state.json", "MANIFEST.json"):
        assert shown.index(("fsync", part)) < shown.index(("rename", part)) < whole
    assert shown[whole - 1] == ("fsync", "000000007")
    assert shown[whole + 1] == ("fsync", "checkpoints")
    assert shown.index(("rename", "latest")) > whole
