"""Where the cache lies: on a disk that is full, below a home that is not there, at a path that cannot be."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from loopback_hub import client_environment, run_client

import ganzoo
from ganzoo import publishing
from ganzoo.errors import OutputError
from ganzoo.hub.pushing import Target

MODEL = "someone/ring"
SOURCE = f"hf-hub:{MODEL}"
ROOT = str(Path(ganzoo.__file__).parents[1])


@pytest.fixture
def model(account):
    publishing.push("mlp-ring", Target(repo_id=MODEL, **account.writing))
    return account


# Loads onto one small disk after another, and prints what became of each; then once more, when there is room.
SMALL_DISKS = """
import json, subprocess, sys
from pathlib import Path
import ganzoo
from ganzoo.errors import GanzooError
right = ganzoo.load("mlp-ring").state_dict()
disk, told = Path(sys.argv[1]), []

def load():
    try:
        gan = ganzoo.load(sys.argv[2], cache_dir=disk / "cache")
    except GanzooError as error:
        return type(error).__name__, str(error)
    assert all(tensor.equal(right[name]) for name, tensor in gan.state_dict().items())
    return "loaded", ""

for limit in json.loads(sys.argv[3]):
    subprocess.run(["mount", "-t", "tmpfs", "-o", limit, "tmpfs", disk], check=True)
    outcome = load()
    left = [str(path) for path in disk.rglob("*") if path.name.endswith(".incomplete") and path.stat().st_size]
    subprocess.run(["mount", "-o", "remount,size=64m,nr_inodes=1000", disk], check=True)
    told.append([*outcome, left, load()[0]])
    subprocess.run(["umount", disk], check=True)
print(json.dumps(told))
"""

LIMITS = [f"size={size}k" for size in range(4, 132, 4)]
LIMITS += [f"nr_inodes={count}" for count in range(2, 34)]  # how many files and folders there can be


def is_isolated():
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not is_isolated(), reason="no disk can be mounted here: unshare -Urm is not there or not allowed")
@pytest.mark.parametrize("account", ["lfs", "xet"], indirect=True)
def test_a_disk_that_is_full_at_each_point(model):
    environment = client_environment(model.hub, home=model.folder / "home", xet=model.xet, PYTHONPATH=ROOT)
    disk = model.folder / "disk"
    disk.mkdir()
    command = ["unshare", "-Urm", sys.executable, "-c", SMALL_DISKS, str(disk), SOURCE, json.dumps(LIMITS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told) == len(LIMITS)
    for some in (told[:32], told[32:]):
        assert (some[0][0], some[-1][0]) == ("OutputError", "loaded")
    for kind, message, left, afterwards in told:
        assert kind == "loaded" or (kind == "OutputError" and "the disk is full" in message), message
        assert left == []
        assert afterwards == "loaded"


LOAD = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import ganzoo
from ganzoo.errors import GanzooError
arguments = json.loads(sys.argv[1])
try:
    ganzoo.load("mlp-ring")
    told = [str(ganzoo.load(arguments.pop("source"), **arguments).sample_shape)]
except GanzooError as error:
    told = [type(error).__name__, str(error)]
print(json.dumps(told))
"""


@pytest.mark.skipif(not is_isolated(), reason="nobody can be another user here: unshare -U is not there or not allowed")
def test_a_user_without_a_home(model):
    place = model.folder / "place"
    place.mkdir()
    environment = client_environment(model.hub, home=model.folder / "home", PYTHONPATH=ROOT)
    for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME"):
        environment.pop(name, None)

    def load(**arguments):
        nobody = ["unshare", "--map-user=54321", "--map-group=54321"]  # of whom the system knows no home
        command = [*nobody, sys.executable, "-c", LOAD, json.dumps({"source": SOURCE} | arguments)]
        done = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    kind, message = load()
    assert kind == "OutputError"
    assert "the cache would be '~/.cache/huggingface/hub', and there is no such home" in message
    assert "give another with cache_dir or HF_HUB_CACHE" in message
    assert list(place.iterdir()) == []
    assert load(cache_dir=str(place / "cache")) == ["(2,)"]
    assert [path.name for path in place.iterdir()] == ["cache"]
    assert load(cache_dir=str(place / "cache"), local_files_only=True) == ["(2,)"]


@pytest.mark.parametrize("cache", ["~nobody-of-this-name", "~nobody-of-this-name/cache"])
def test_a_cache_in_a_home_that_is_not_there(model, cache, monkeypatch):
    monkeypatch.chdir(model.folder)
    with pytest.raises(OutputError, match=rf"the cache would be '{cache}', and there is no such home"):
        ganzoo.load(SOURCE, **model.reading | {"cache_dir": cache})
    assert not (model.folder / "~nobody-of-this-name").exists()


def test_the_home_is_that_of_the_environment_or_another_named_there(model):
    code = "import os; os.environ.pop('HF_HOME')\n" + LOAD.replace("sys.argv[1]", repr(json.dumps({"source": SOURCE})))
    assert run_client(code, model.hub, PYTHONPATH=ROOT, HOME=str(model.folder / "home")) == ["(2,)"]
    cache = model.folder / "home" / ".cache" / "huggingface" / "hub"
    assert list(cache.glob("models--someone--ring/snapshots/*/config.json"))


def test_a_path_that_is_longer_than_a_name_may_be(model):
    deep = model.folder.joinpath(*["n" * 200] * 3)
    for _ in range(2):
        assert ganzoo.load(SOURCE, **model.reading | {"cache_dir": deep}).sample_shape == (2,)
    with pytest.raises(OutputError, match="the cache cannot be used"):
        ganzoo.load(SOURCE, **model.reading | {"cache_dir": model.folder.joinpath(*["n" * 200] * 25)})
