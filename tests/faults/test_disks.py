"""The disk is full, read-only, or fails."""

import errno
import json
import os
import random
import shutil

import harness
import pytest

SAVE = 4
ERRORS = ["ENOSPC", "EIO", "EACCES", "EROFS", "EDQUOT"]


def refused(site, number, at, *, lasting):
    fault = {"save": SAVE, "kind": "error", "at": at, "number": getattr(errno, number)}
    harness.refuse(site, f"{number}-{at}-{lasting}", fault, lasting=lasting)


def limited(site, limit, *, lasting):
    fault = {"save": SAVE, "kind": "limit", "limit": limit}
    harness.refuse(site, f"limit-{limit}-{lasting}", fault, lasting=lasting)


@pytest.mark.parametrize("number", ERRORS)
def test_refused_for_good(site, number):
    refused(site, number, 5, lasting=True)


@pytest.mark.parametrize("lasting", [True, False])
def test_full(site, lasting):
    limited(site, 3000, lasting=lasting)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become nobody")
def test_read_only_for_this_user(site):
    harness.refuse(site, "nobody", {"save": SAVE, "kind": "nobody"}, lasting=True)


@pytest.mark.faults
@pytest.mark.parametrize("lasting", [True, False])
def test_full_at_twenty_points(site, lasting):
    size = (
        (site.folder / "whole" / "checkpoints" / f"{harness.STEPS * harness.BATCH:09d}" / "state.safetensors")
        .stat()
        .st_size
    )
    for point in range(20):
        limited(site, size * point // 20, lasting=lasting)


@pytest.mark.faults
@pytest.mark.parametrize("lasting", [True, False])
def test_refused_at_every_operation(site, lasting):
    rng = random.Random(0)
    for at in range(1, harness.count_operations(site, SAVE) + 1):
        refused(site, rng.choice(ERRORS), at, lasting=lasting)


@pytest.fixture(scope="module")
def isolated():
    if shutil.which("unshare") is None:
        pytest.fail("unshare is not installed; it gives a trial a small disk of its own")
    made = harness.Nursery(isolated=True)
    yield made
    made.close()


def on_small_disk(isolated, folder, size):
    """Train on a disk of so many kilobytes, then look at what is there, in the same child's mounts."""
    disk, report, said = folder / f"disk-{size}", folder / f"report-{size}", folder / f"said-{size}"
    isolated.run(["examine", str(disk / "run"), str(report)], output=said, mount=(str(disk), f"{size}k"))
    code = isolated.run(harness.arguments(disk / "run"), output=said)
    isolated.run(["examine", str(disk / "run"), str(report)], output=said)
    found, text = json.loads(report.read_text()), said.read_text()
    assert "Traceback" not in text, text
    assert code in (0, 2), text
    if found["config"]:
        assert found["names"][-1] in found["verified"], found
    if code == 0:
        assert found["names"][-1] == harness.STEPS * harness.BATCH
    else:
        assert "No space left" in text, text
    return code


@pytest.mark.faults
def test_small_disks(isolated, tmp_path):
    codes = [on_small_disk(isolated, tmp_path, size) for size in range(8, 168, 8)]
    assert codes[0] == 2
    assert codes[-1] == 0
    assert set(codes) == {0, 2}
