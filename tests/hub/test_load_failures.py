"""Whatever goes wrong between the Hub and a load is one typed error, which names the repository and the next step."""

import json
import resource
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import pytest
from huggingface_hub import constants, utils

import ganzoo
from ganzoo import zoo
from ganzoo.cli import main
from ganzoo.errors import (
    ConfigError,
    HubAccessError,
    HubError,
    HubIntegrityError,
    HubNotFoundError,
    HubUnreachableError,
    HubWarning,
    OutputError,
)
from ganzoo.hub import limits

MODEL = "someone/ring"
SOURCE = f"hf-hub:{MODEL}"
FILES = {path.name: path.read_bytes() for path in zoo.locate("mlp-ring").folder.iterdir()}
CONFIG, GENERATOR = "GET .*/config.json", "GET /lfs/.*"


@pytest.fixture
def model(account, monkeypatch):
    """An account whose Hub has a model; the client waits no second between tries."""
    monkeypatch.setattr(limits, "PAUSE", 0.01)
    ganzoo.load("mlp-ring")  # imports what is imported once, so that it takes no part of a limit
    account.hub.create_repo(MODEL)
    account.hub.commit(MODEL, FILES)
    yield account
    utils.close_session()


def load(account, source=SOURCE, **arguments):
    return ganzoo.load(source, **account.reading | arguments)


def every(account, match, **how):
    return account.hub.fault(match, **{"times": None} | how)


# A fault, and what must be said about it.
FAULTS = {
    "no repository": (lambda a: a.hub.delete_repo(MODEL), HubNotFoundError, "no such repository, or it is private"),
    "private": (
        lambda a: [a.hub.store.repositories[MODEL].__setattr__("private", True), a.__setattr__("token", False)],
        HubNotFoundError,
        "log in with `hf auth login` if it is private",
    ),
    "gated": (
        lambda a: [
            a.hub.store.repositories[MODEL].__setattr__("gated", "manual"),
            a.hub.add_user("stranger", token="hf_strangers_token"),
            a.__setattr__("token", "hf_strangers_token"),
        ],
        HubAccessError,
        "accept the terms at http",
    ),
    "disabled": (
        lambda a: a.hub.store.repositories[MODEL].__setattr__("disabled", True),
        HubAccessError,
        "was disabled on the Hub; ask its owner",
    ),
    "wrong token": (
        lambda a: a.__setattr__("token", "hf_a_wrong_token"),
        HubAccessError,
        "the token is not valid",
    ),
    "token with a blank": (
        lambda a: a.__setattr__("token", "hf_wrong token\n"),
        HubAccessError,
        "the token given holds blanks",
    ),
    "no config.json": (
        lambda a: a.hub.commit(MODEL, {}, delete=("config.json",)),
        HubNotFoundError,
        "has no config.json, so it is no model that ganzoo saved",
    ),
    "no weights": (
        lambda a: a.hub.commit(MODEL, {}, delete=("generator.safetensors",)),
        HubNotFoundError,
        "has no generator.safetensors",
    ),
    "down": (lambda a: a.hub.stop(), HubUnreachableError, "the Hub cannot be reached"),
    "503 for information": (
        lambda a: every(a, "GET /api/models/.*", status=503),
        HubUnreachableError,
        "the Hub answers 503; try again later",
    ),
    "503 for paths": (
        lambda a: every(a, "POST .*/paths-info/.*", status=503),
        HubUnreachableError,
        "the Hub answers 503; try again later",
    ),
    "503 for metadata": (
        lambda a: every(a, "HEAD .*", status=503),
        HubUnreachableError,
        "the Hub answers 503; try again later",
    ),
    "reset for metadata": (lambda a: every(a, "HEAD .*", reset=True), HubUnreachableError, "cannot be reached"),
    "404 from storage": (lambda a: every(a, GENERATOR, status=404), HubNotFoundError, "the Hub's storage lacks a file"),
    "cut in the middle": (lambda a: every(a, GENERATOR, cut=1000), HubUnreachableError, "cannot be reached"),
    "500 from storage": (
        lambda a: every(a, GENERATOR, status=500),
        HubUnreachableError,
        "the Hub answers 500",
    ),
    "403 from storage": (
        lambda a: every(a, GENERATOR, status=403),
        HubAccessError,
        "this is forbidden",
    ),
    "reset before the answer": (lambda a: every(a, GENERATOR, reset=True), HubUnreachableError, "cannot be reached"),
    "reset in the middle": (
        lambda a: every(a, GENERATOR, reset=True, cut=1000),
        HubUnreachableError,
        "the Hub cannot be reached",
    ),
    "reset of every request": (lambda a: every(a, ".*", reset=True), HubUnreachableError, "cannot be reached"),
    "HTML for information": (
        lambda a: every(a, "GET /api/models/.*", body="<html>log in to the network</html>"),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub; log in to the network",
    ),
    "HTML for metadata": (
        lambda a: every(a, "HEAD .*", body="<html>log in to the network</html>"),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "an empty object for information": (
        lambda a: every(a, "GET /api/models/.*", body="{}"),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "a list for information": (
        lambda a: every(a, "GET /api/models/.*", body="[]"),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "information without a commit": (
        lambda a: every(a, "GET /api/models/.*", body=json.dumps({"id": MODEL})),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "a commit that is a number": (
        lambda a: every(a, "GET /api/models/.*", body=json.dumps({"id": MODEL, "sha": 3})),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "a path without a size": (
        lambda a: every(a, "POST .*/paths-info/.*", body='[{"type": "file", "path": "config.json", "oid": "0"}]'),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "a size that is no number": (
        lambda a: every(
            a, "POST .*/paths-info/.*", body='[{"type": "file", "path": "config.json", "oid": "0", "size": "9"}]'
        ),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "a word for paths": (
        lambda a: every(a, "POST .*/paths-info/.*", body='"paths"'),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "wrong bytes of weights": (
        lambda a: every(a, GENERATOR, flip=5000),
        HubIntegrityError,
        "generator.safetensors came damaged twice",
    ),
    "wrong bytes of config": (
        lambda a: every(a, CONFIG, flip=50),
        HubIntegrityError,
        "config.json came damaged twice",
    ),
    "too short": (
        lambda a: every(a, GENERATOR, body=b"short"),
        HubIntegrityError,
        "a file came with another size than announced",
    ),
    "weights that are not those of config.json": (
        lambda a: a.hub.commit(MODEL, {"generator.safetensors": FILES["generator.safetensors"] + b" "}),
        HubIntegrityError,
        "according to the Hub, and ",
    ),
    "weights far too large": (
        lambda a: a.hub.commit(MODEL, {"generator.safetensors": b"\0" * 2**22}),
        HubIntegrityError,
        "has 4,194,304 bytes, and what config.json describes takes at most",
    ),
    "config.json far too large": (
        lambda a: a.hub.commit(MODEL, {"config.json": b" " * (2**20 + 1)}),
        HubIntegrityError,
        "config.json has 1,048,577 bytes",
    ),
    "rate limited for an hour": (
        lambda a: every(a, GENERATOR, retry_after=3600),
        HubUnreachableError,
        "rate limited or busy, and asks to wait 3600 s",
    ),
    "rate limited by the newer header": (
        lambda a: every(a, "POST .*", status=429, headers={"RateLimit": '"api";r=0;t=299'}),
        HubUnreachableError,
        "asks to wait 299 s",
    ),
}


@pytest.mark.parametrize(("fault", "kind", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_a_failure_is_one_typed_error(model, fault, kind, said):
    fault(model)
    started = time.monotonic()
    with pytest.raises(HubError) as refused:
        load(model)
    message = str(refused.value)
    assert type(refused.value) is kind, message
    assert said in message
    assert message.startswith(f"cannot load '{SOURCE}' ({MODEL}, revision 'main'): ") or "token given" in message
    assert "hf_" not in message
    assert "\n" not in message
    assert time.monotonic() - started < 30
    left = [path for path in model.cache.rglob("*") if path.name.endswith((".incomplete", "generator.safetensors"))]
    assert not left


@pytest.mark.parametrize("fault", [FAULTS["no repository"][0], FAULTS["down"][0], FAULTS["500 from storage"][0]])
def test_the_cause_is_kept(model, fault):
    fault(model)
    with pytest.raises(HubError) as refused:
        load(model)
    assert refused.value.__cause__ is not None


def test_the_command_line_says_it_and_leaves_with_2(model, capsys, monkeypatch):
    model.becomes_the_default(monkeypatch)
    with pytest.raises(SystemExit) as left:
        main(["info", "hf-hub:someone/nothing"])
    assert left.value.code == 2
    assert "Error: cannot load 'hf-hub:someone/nothing' (someone/nothing, revision 'main'): there is no" in (
        capsys.readouterr().err
    )
    with pytest.raises(SystemExit) as left:
        main(["info", SOURCE, "--json"])
    assert left.value.code == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["generator"]["bytes"] == len(FILES["generator.safetensors"])
    assert facts["samples"]["shape"] == [2]


@pytest.mark.parametrize("revision", ["v9", "0" * 40, "refs/pr/7"])
def test_a_revision_that_is_not_there(model, revision):
    with pytest.raises(HubNotFoundError, match="no such branch, tag or commit; see http"):
        load(model, revision=revision)


def test_a_name_that_does_not_resolve_and_an_address_that_is_none(model):
    with pytest.raises(HubUnreachableError, match=r"the Hub cannot be reached \("):
        load(model, endpoint="http://nowhere.invalid")
    for endpoint in ("nowhere", "", 3):
        with pytest.raises(HubError, match=r"it takes an address such as 'https://huggingface\.co'"):
            load(model, endpoint=endpoint)


@pytest.mark.parametrize("name", ["no repository", "no config.json", "wrong token", "down", "503 for paths"])
def test_a_password_in_the_address_is_not_shown(model, name):
    FAULTS[name][0](model)
    endpoint = model.hub.endpoint.replace("://", "://reader:s3cr3t@")
    with pytest.raises(HubError) as refused:
        load(model, endpoint=endpoint)
    assert "s3cr3t" not in "".join(traceback.format_exception(refused.value))
    with pytest.raises(HubError, match=r"endpoint is 'ftp://\*\*\*@mirror'"):
        load(model, endpoint="ftp://reader:s3cr3t@mirror")


def test_a_page_is_named_without_the_password_of_the_address(model):
    every(model, "GET /api/models/.*", status=409)
    with pytest.raises(HubError, match=rf"look at {model.hub.endpoint}/{MODEL}, push again"):
        load(model, endpoint=model.hub.endpoint.replace("://", "://reader:s3cr3t@"))


def test_what_the_hub_says_cannot_move_the_terminal(model):
    said = "\x1b[2Jgone\x07\x9b1A\u202e"
    every(model, "GET /api/models/.*", status=403, body=json.dumps({"error": said}))
    with pytest.raises(HubAccessError, match="gone") as refused:
        load(model)
    assert str(refused.value).isprintable()
    every(model, ".*", status=403, body=json.dumps({"error": said}))
    with pytest.raises(HubError) as refused:
        ganzoo.load("mlp-ring").push_to_hub(MODEL, **model.writing)
    assert str(refused.value).isprintable()


def test_a_token_of_the_environment_that_cannot_be_sent(model, monkeypatch):
    token = "hf_geheïm"
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(HubAccessError, match="the token holds characters that cannot be sent") as refused:
        load(model, token=None)
    assert token not in "".join(traceback.format_exception(refused.value))


def test_a_proxy_that_is_not_there(model, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    utils.close_session()
    with pytest.raises(HubUnreachableError, match="cannot be reached"):
        load(model)


# Time


@pytest.mark.parametrize("match", ["GET /api/models/.*", "POST .*", "HEAD .*", "GET /lfs/.*"])
@pytest.mark.parametrize("how", [{"retry_after": 1}, {"delay": 30.0}], ids=str)
def test_a_storm_ends_at_the_limit(model, monkeypatch, match, how):
    monkeypatch.setenv("GANZOO_HUB_TIMEOUT", "1.2")
    every(model, match, **how)
    started = time.monotonic()
    with pytest.raises(HubUnreachableError) as refused:
        load(model)
    assert time.monotonic() - started < 1.2 + 5
    assert any(words in str(refused.value) for words in ("did not finish within", "asks to wait"))
    assert "GANZOO_HUB_TIMEOUT" in str(refused.value)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "1e400"])
def test_a_limit_that_is_no_time_is_refused(model, monkeypatch, text):
    monkeypatch.setenv("GANZOO_HUB_TIMEOUT", text)
    with pytest.raises(ConfigError, match="GANZOO_HUB_TIMEOUT is"):
        load(model)


@pytest.mark.parametrize(
    "how",
    [{"status": 503}, {"status": 403}, {"reset": True}, {"cut": 1000, "reset": True}, {"flip": 4000}, {"body": b"x"}],
    ids=str,
)
def test_a_failure_that_passes_is_not_noticed(model, how):
    fault = model.hub.fault(GENERATOR, **how)
    gan = load(model)
    assert fault.hits == 1
    assert gan.config == ganzoo.load("mlp-ring").config


# The cache


def answers(account, **arguments):
    """Load from the cache, and return the seconds it took."""
    started = time.monotonic()
    assert load(account, **arguments).sample_shape == (2,)
    return time.monotonic() - started


def test_a_cached_commit_makes_no_request(model):
    commit = model.hub.head(MODEL)
    load(model, revision=commit)
    model.hub.requests.clear()
    load(model, revision=commit)
    load(model, f"{SOURCE}@{commit}")
    load(model, local_files_only=True, revision=commit)
    assert model.hub.requests == []


def test_a_cached_branch_makes_one_request(model):
    load(model)
    model.hub.requests.clear()
    load(model)
    assert [request.method for request in model.hub.requests] == ["GET"]


def test_the_discriminator_is_fetched_when_it_is_asked_for(model):
    load(model)
    assert model.hub.count(GENERATOR) == 1
    assert "discriminator" not in load(model).networks
    assert "discriminator" in load(model, discriminator=True).networks
    assert model.hub.count(GENERATOR) == 2
    assert model.hub.count(".*samples.png.*|.*README.*") == 0


def test_force_download_fetches_again(model):
    load(model)
    load(model, force_download=True)
    assert model.hub.count(GENERATOR) == 2


STALE = ["down", "no repository", "private", "disabled", "wrong token", "503 for information"]


@pytest.mark.parametrize("name", [*STALE, "reset of every request", "HTML for information"])
def test_a_cached_branch_is_used_with_a_warning_where_the_hub_gives_none(model, name):
    load(model)
    commit = model.hub.head(MODEL)
    FAULTS[name][0](model)
    with pytest.warns(HubWarning, match=f"The copy in the cache is used, commit {commit[:12]}") as warned:
        assert answers(model) < 3
    assert len(warned) == 1
    assert FAULTS[name][2] in str(warned[0].message)
    with pytest.raises(HubError):
        load(model, force_download=True)


@pytest.mark.filterwarnings("always::ganzoo.errors.HubWarning")
def test_the_command_line_shows_such_a_warning_as_one_line(model, capsys, monkeypatch):
    load(model)
    model.becomes_the_default(monkeypatch)
    model.hub.stop()
    with pytest.raises(SystemExit) as left:
        main(["info", SOURCE])
    assert left.value.code == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Warning: cannot load '{SOURCE}' ({MODEL}, revision 'main'): the Hub cannot be reached")


def test_a_hub_that_hangs_is_not_waited_for_where_the_cache_has_an_answer(model):
    load(model)
    every(model, ".*", delay=20.0)
    with pytest.warns(HubWarning, match=r"did not answer within 2\.5 s\. The copy in the cache is used"):
        assert answers(model) < 3


def test_what_the_cache_has_loads_offline_without_a_warning(model, monkeypatch):
    load(model)
    model.hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert answers(model) < 3
    assert model.hub.requests == []
    with pytest.raises(HubUnreachableError, match=r"set to be offline \(HF_HUB_OFFLINE\)"):
        load(model, discriminator=True)
    with pytest.raises(HubUnreachableError, match=r"set to be offline \(HF_HUB_OFFLINE\)"):
        load(model, force_download=True)
    with pytest.raises(HubUnreachableError, match=r"set to be offline \(HF_HUB_OFFLINE\)"):
        load(model, "hf-hub:someone/else")


def test_offline_what_was_never_loaded_has_no_known_size(model, capsys, monkeypatch):
    load(model)
    model.becomes_the_default(monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SystemExit) as left:
        main(["info", SOURCE, "--json"])
    assert left.value.code == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["generator"]["bytes"] == len(FILES["generator.safetensors"])
    assert facts["discriminator"]["bytes"] is None


def test_local_files_only_asks_nothing(model):
    with pytest.raises(HubUnreachableError, match="load it once without local_files_only"):
        load(model, local_files_only=True)
    assert model.hub.requests == []
    load(model)
    model.hub.requests.clear()
    assert answers(model, local_files_only=True) < 3
    with pytest.raises(HubUnreachableError, match=r"does not have discriminator\.safetensors"):
        load(model, local_files_only=True, discriminator=True)
    assert model.hub.requests == []


@pytest.mark.parametrize("file", ["config.json", "generator.safetensors"])
@pytest.mark.parametrize(
    "change",
    [lambda b: b[:-9], lambda b: b[:99] + b"\1" + b[100:], lambda b: b"", lambda b: b + b" " * 2**22],
    ids=["cut", "changed", "emptied", "grown"],
)
def test_a_damaged_cache_is_mended(model, file, change):
    commit = model.hub.head(MODEL)
    load(model)
    (blob,) = (path.resolve() for path in model.cache.rglob(file))
    blob.write_bytes(change(FILES[file]))
    with pytest.raises(HubIntegrityError, match=f"the cached {file} is damaged"):
        load(model, local_files_only=True)
    load(model, revision=commit)
    assert blob.read_bytes() == FILES[file]


def test_config_and_weights_are_of_one_commit(model):
    first = model.hub.head(MODEL)
    other = {path.name: path.read_bytes() for path in zoo.locate("mlp-grid").folder.iterdir()}
    model.hub.fault("GET /api/models/.*", action=lambda request: model.hub.commit(MODEL, other))
    gan = load(model)
    assert gan.config.training["data"] == "ring"
    assert model.hub.head(MODEL) != first
    assert load(model).config.training["data"] == "grid"


def test_what_a_killed_download_left_is_swept_after_a_day(model):
    load(model)
    (blobs,) = model.cache.rglob("blobs")
    import os

    for name, age in (("old", 90_000), ("new", 1000)):
        path = blobs / f"{name}.12345678.incomplete"
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age,) * 2)
    load(model, force_download=True)
    assert [path.name for path in blobs.glob("*.incomplete")] == ["new.12345678.incomplete"]


@contextmanager
def largest_file(size):
    """Let this process write no file beyond so many bytes, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk(model):
    with largest_file(20_000), pytest.raises(OutputError, match="the disk is full"):
        load(model)
    assert not list(model.cache.rglob("*.incomplete"))
    load(model)


def test_a_cache_that_cannot_be(model, tmp_path):
    (tmp_path / "file").write_text("a regular file")
    for cache in (tmp_path / "file", tmp_path / ("x" * 300)):
        with pytest.raises(OutputError, match="the cache cannot be used"):
            load(model, cache_dir=cache)


def test_a_cache_of_another_name_and_without_links(model, tmp_path, monkeypatch):
    load(model, cache_dir=tmp_path / "größe 模型")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    model.forget()
    load(model)
    assert not any(path.is_symlink() for path in model.cache.rglob("*"))
    model.hub.requests.clear()
    load(model, revision=model.hub.head(MODEL))
    assert model.hub.requests == []


def test_a_damaged_cache_without_links_is_mended(model, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    load(model)
    for file, content in (("generator.safetensors", b"damaged"), ("config.json", b" " * 2**21)):
        (path,) = model.cache.rglob(file)
        path.write_bytes(content)
        load(model)
        assert path.read_bytes() == FILES[file]


@pytest.mark.parametrize("file", [CONFIG, GENERATOR])
def test_what_comes_to_a_cache_without_links_is_checked(model, monkeypatch, file):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    fault = every(model, file, flip=50)
    with pytest.raises(HubIntegrityError, match="came damaged twice"):
        load(model)
    assert fault.hits == 2
    assert not list(model.cache.rglob("snapshots/*/" + ("config.json" if file == CONFIG else "*.safetensors")))
    model.hub.faults.clear()
    fault = model.hub.fault(file, flip=50)
    assert load(model).config == ganzoo.load("mlp-ring").config
    assert fault.hits == 1


def test_a_path_as_text_is_a_cache(model, tmp_path):
    load(model, cache_dir=str(tmp_path / "text"))
    assert list(Path(tmp_path / "text").rglob("generator.safetensors"))
