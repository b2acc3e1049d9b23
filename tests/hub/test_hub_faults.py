"""Faults at every request and at random places: what is loaded is right or refused, what is pushed is there once."""

import os
import random
import shutil
import signal
import stat
import time
import traceback

import pytest
from huggingface_hub import utils
from huggingface_hub.utils import _http

import ganzoo
from ganzoo import publishing, zoo
from ganzoo.errors import GanzooError, HubConflictError, HubError, HubIntegrityError, OutputError
from ganzoo.hub import limits
from ganzoo.hub.pushing import Target

MODEL = "someone/ring"
SOURCE = f"hf-hub:{MODEL}"
HERE = zoo.locate("mlp-ring").folder
FILES = {path.name: path.read_bytes() for path in HERE.iterdir()}
SIZE = len(FILES["generator.safetensors"])
WEIGHTS = "GET /lfs/.*"
STORM = [(match, how) for match in ("GET /api/.*", "POST .*", "HEAD .*", WEIGHTS) for how in range(6)]


@pytest.fixture
def model(account, monkeypatch):
    monkeypatch.setattr(limits, "PAUSE", 0.01)
    utils.close_session()
    account.hub.create_repo(MODEL)
    account.hub.commit(MODEL, FILES)
    yield account
    utils.close_session()


def load(account, **arguments):
    return ganzoo.load(SOURCE, **account.reading | arguments)


def is_right(gan):
    here = ganzoo.load("mlp-ring").state_dict()
    there = gan.state_dict()
    return all(there[name].equal(tensor) for name, tensor in here.items())


def some(few, all_of_them):
    """Return parameters for a few trials in each run, and for all of them with the marker `faults`."""
    return [*few, *(pytest.param(each, marks=pytest.mark.faults) for each in all_of_them if each not in few)]


# C2


@pytest.mark.parametrize("seed", some(range(4), range(200)))
def test_a_flipped_byte_is_found(model, seed):
    place, times = random.Random(seed).randrange(SIZE), 1 + seed % 2
    model.hub.fault(WEIGHTS, flip=place, times=times)
    if times == 1:
        assert is_right(load(model))
        return
    with pytest.raises(HubIntegrityError, match="came damaged twice"):
        load(model)
    assert not list(model.cache.rglob("generator.safetensors"))
    assert is_right(load(model))


@pytest.mark.parametrize("account", ["xet"], indirect=True)
@pytest.mark.parametrize("seed", some(range(1), range(20)))
def test_a_flipped_byte_in_xet_s_storage_is_found(account, monkeypatch, seed):
    monkeypatch.setattr(limits, "PAUSE", 0.01)
    publishing.push("mlp-ring", Target(repo_id=MODEL, **account.writing))
    rng, changed = random.Random(seed), 0
    for path in (account.hub.store.folder / "xet").rglob("*"):
        if path.is_file() and path.stat().st_size > 20_000:
            content = bytearray(path.read_bytes())
            content[rng.randrange(1000, len(content) - 1000)] ^= 0xFF
            path.chmod(0o644)
            path.write_bytes(content)
            changed += 1
    assert changed
    refusal = ""
    try:
        assert is_right(load(account))
    except HubError as error:
        refusal = str(error)
    assert not refusal or refusal.startswith(f"cannot load '{SOURCE}'")


# C3


@pytest.mark.parametrize("seed", some(range(3), range(50)))
def test_a_connection_that_breaks_anywhere_is_made_again(model, seed):
    rng = random.Random(seed)
    for _ in range(rng.randrange(1, 3)):
        model.hub.fault(WEIGHTS, cut=rng.randrange(SIZE), reset=rng.random() < 0.7)
    assert is_right(load(model))


# C4


@pytest.mark.faults
@pytest.mark.parametrize(("match", "kind"), STORM)
def test_no_storm_outlasts_the_limit(model, monkeypatch, match, kind):
    monkeypatch.setenv("GANZOO_HUB_TIMEOUT", "3")
    waits = [1, 2, 10, 60, 600, 3600]
    how = {"status": [500, 502, 503, 504, 429, 429][kind]} | ({"retry_after": waits[kind]} if kind > 1 else {})
    model.hub.fault(match, times=None, body="<html>busy</html>", **how)
    started = time.monotonic()
    with pytest.raises(HubError):
        load(model)
    assert time.monotonic() - started < 3 + 5


PUSH_REQUESTS = 20

# C5: a child is killed at each of its requests, before it is answered.


def child(work):
    """Fork a child that waits for its leave, then works; return its process id and the pipe that gives it leave."""
    reading, writing = os.pipe()
    # A thread of an earlier test that still waits for its server may be making a new client at the moment of the fork,
    # and nobody would give its lock back in the child.
    with _http._CLIENT_LOCK:
        process = os.fork()
    if process:
        os.close(reading)
        return process, writing
    code = 70
    try:
        os.close(writing)
        os.environ["GANZOO_HUB_TIMEOUT"] = "20"
        os.read(reading, 1)
        work()
        code = 0
    except GanzooError as error:
        traceback.print_exc()
        # Where its own commit would change nothing, the client names the newest one, which can be another's.
        code = (
            3 if isinstance(error, HubConflictError | HubIntegrityError) else 4 if isinstance(error, OutputError) else 2
        )
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def killed_at(model, number, work):
    """Run work in a child that is killed at its request of this number; tell whether it was."""
    process, leave = child(work)
    model.hub.fault(".*", skip=number, action=lambda request: os.kill(process, signal.SIGKILL))
    os.write(leave, b"x")
    os.close(leave)
    code = ended(process)
    model.hub.faults.clear()
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.mark.parametrize("number", some([3, 6], range(12)))
def test_a_killed_download_leaves_a_cache_that_works(model, number):
    killed = killed_at(model, number, lambda: load(model, discriminator=True))
    assert killed == (number < 10)  # of the commit; and of each of three files the size, the head and the content
    assert is_right(load(model, discriminator=True))


@pytest.mark.parametrize("number", some([9, 14], range(24)))
def test_a_killed_push_is_made_again_and_once(model, number):
    repository = "someone/new"

    def push():
        return publishing.push("mlp-grid", Target(repo_id=repository, **model.writing))

    killed = killed_at(model, number, push)
    assert killed == (number < PUSH_REQUESTS)
    done = push()
    assert done.commit == model.hub.head(repository)
    assert len(model.hub.store.repositories[repository].commits) == 2  # the Hub's own first one, and the push
    for name in ("config.json", "generator.safetensors", "discriminator.safetensors", "samples.png"):
        assert model.hub.read(repository, name) == (zoo.locate("mlp-grid").folder / name).read_bytes()


# C6


def together(works):
    """Run all at once in a child each, and return their exit codes."""
    children = [child(work) for work in works]
    for _, leave in children:
        os.write(leave, b"x")
        os.close(leave)
    return [ended(process) for process, _ in children]


@pytest.mark.parametrize("turn", some(range(1), range(10)))
def test_many_processes_load_at_once(model, turn):
    codes = together([lambda: load(model)] * 8)
    assert codes == [0] * 8
    assert model.hub.count(WEIGHTS) == 1
    assert is_right(load(model, local_files_only=True))


@pytest.mark.parametrize("turn", some(range(1), range(10)))
def test_many_processes_push_at_once(model, turn):
    models = ["mlp-ring", "mlp-grid", "mlp-gaussian", "mlp-ring"]

    def push(name):
        return publishing.push(name, Target(repo_id="someone/new", overwrite_card=True, **model.writing))

    codes = together([lambda name=name: push(name) for name in models])
    assert set(codes) <= {0, 3}
    assert 0 in codes
    # Whoever came last, config.json and weights are of one push.
    assert ganzoo.load("hf-hub:someone/new", discriminator=True, **model.reading).sample_shape in [(2,), (1,)]


# C8


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_cache_that_may_only_be_read(model):
    model.cache.mkdir()
    model.cache.chmod(0o755)
    load(model)
    for path in model.folder.parents:
        if path.stat().st_uid == os.geteuid() and path != path.parent:
            path.chmod(path.stat().st_mode | stat.S_IXOTH)
    model.folder.chmod(0o755)

    def as_nobody(work):
        def changed():
            os.setgid(65534)
            os.setuid(65534)
            work()

        return together([changed])

    assert as_nobody(lambda: load(model, revision=model.hub.head(MODEL))) == [0]
    assert as_nobody(lambda: load(model)) == [0]
    assert as_nobody(lambda: load(model, discriminator=True)) == [4]
    shutil.rmtree(model.cache)
    model.cache.mkdir(mode=0o755)
    assert as_nobody(lambda: load(model)) == [4]
