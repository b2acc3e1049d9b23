"""Pushing a model: one commit of listed files, a card that is kept, and every failure a sentence."""

import json
import shutil
import time

import pytest
import torch
from click.testing import CliRunner
from huggingface_hub import ModelCard, constants, utils

import ganzoo
from ganzoo import files, publishing, zoo
from ganzoo.cli import cli
from ganzoo.errors import (
    ConfigError,
    HubAccessError,
    HubConflictError,
    HubError,
    HubIntegrityError,
    HubNotFoundError,
    HubUnreachableError,
    InputError,
    OutputError,
    SourceError,
    WeightsError,
)
from ganzoo.hub import limits
from ganzoo.hub.pushing import Target

MODEL = "someone/ring"


@pytest.fixture
def writer(account, monkeypatch):
    monkeypatch.setattr(limits, "PAUSE", 0.01)
    yield account
    utils.close_session()


@pytest.fixture
def folder(tmp_path):
    """A copy of a bundled model's folder."""
    shutil.copytree(zoo.locate("mlp-ring").folder, tmp_path / "model")
    return tmp_path / "model"


def push(account, source="mlp-ring", repository=MODEL, **options):
    return publishing.push(str(source), Target(repo_id=repository, **account.writing | options))


def small(**arguments):
    torch.manual_seed(0)
    sizes = {"sample_shape": (1, 4, 4), "latent_dim": 6, "generator_widths": (16,), "discriminator_widths": (8,)}
    return ganzoo.create_model("mlp", **sizes | arguments)


def commits(account, repository=MODEL):
    return account.hub.count(f"POST /api/models/{repository}/commit/.*")


def test_a_model_in_memory_is_pushed_with_a_card_and_a_picture(writer):
    gan = small(num_classes=3)
    pushed = gan.push_to_hub("someone/new", commit_message="The first", **writer.writing)
    there = writer.hub.files("someone/new")
    names = {"config.json", "generator.safetensors", "discriminator.safetensors", "README.md", "samples.png"}
    assert set(there) == {*names, ".gitattributes"}
    assert set(pushed.sha256) == names
    assert pushed.commit == writer.hub.head("someone/new")
    assert pushed.url == f"{writer.hub.endpoint}/someone/new/commit/{pushed.commit}"
    card = writer.hub.read("someone/new", "README.md").decode()
    assert "](samples.png)" in card
    assert 'ganzoo.load("hf-hub:someone/new")' in card
    loaded = ganzoo.load("hf-hub:someone/new", discriminator=True, **writer.reading)
    assert all(torch.equal(tensor, gan.state_dict()[key]) for key, tensor in loaded.state_dict().items())
    assert commits(writer, "someone/new") == 1


def test_only_what_belongs_to_the_model_is_pushed(writer, folder):
    for name in ("notes.txt", ".env", "other.safetensors", "generator.pt", "config.json.orig"):
        (folder / name).write_text("mine")
    push(writer, f"local-dir:{folder}")
    ours = {"config.json", "generator.safetensors", "discriminator.safetensors", "README.md", "samples.png"}
    assert set(writer.hub.files(MODEL)) == {*ours, ".gitattributes"}


def test_pushing_again_makes_no_commit(writer):
    first = push(writer)
    again = push(writer)
    assert again.commit == first.commit
    assert commits(writer) == 1


def test_a_card_that_is_there_is_kept_unless_asked(writer, caplog):
    push(writer)
    push(writer)
    assert "is kept" not in caplog.text
    mine = b"---\nlibrary_name: ganzoo\n---\n# My own words\n"
    writer.hub.commit(MODEL, {"README.md": mine})
    push(writer)
    assert f"{MODEL} has another card, which is kept; --overwrite-card" in caplog.text
    assert writer.hub.read(MODEL, "README.md") == mine
    push(writer, overwrite_card=True)
    assert b"# mlp-ring" in writer.hub.read(MODEL, "README.md")


def test_the_folder_s_own_card_is_pushed(writer, folder):
    (folder / "README.md").write_text('# Mine\n\n    gan = ganzoo.load("local-dir:.")\n')
    push(writer, f"local-dir:{folder}")
    assert writer.hub.read(MODEL, "README.md").decode() == f'# Mine\n\n    gan = ganzoo.load("hf-hub:{MODEL}")\n'


def test_a_branch_is_made(writer):
    push(writer)
    main = writer.hub.head(MODEL)
    done = push(writer, "mlp-grid", revision="other")
    assert writer.hub.head(MODEL) == main
    assert writer.hub.head(MODEL, "other") == done.commit
    assert ganzoo.load(f"hf-hub:{MODEL}@other", **writer.reading).config.training["data"] == "grid"


def test_a_pull_request_changes_no_branch(writer):
    push(writer)
    main = writer.hub.head(MODEL)
    done = push(writer, "mlp-grid", create_pr=True)
    assert writer.hub.head(MODEL) == main
    assert "/discussions/1" in done.url
    assert ganzoo.load(f"hf-hub:{MODEL}@refs/pr/1", **writer.reading).config.training["data"] == "grid"


def test_a_private_repository(writer):
    push(writer, private=True)
    assert writer.hub.store.repositories[MODEL].private
    assert ganzoo.load(f"hf-hub:{MODEL}", **writer.reading).sample_shape == (2,)
    with pytest.raises(HubNotFoundError, match="or it is private and you may not see it"):
        ganzoo.load(f"hf-hub:{MODEL}", **writer.reading | {"token": False, "cache_dir": writer.folder / "other"})


def test_what_is_public_is_not_silently_left_so(writer):
    push(writer)
    with pytest.raises(HubAccessError, match="the repository is public, and private=True was asked for"):
        push(writer, "mlp-grid", private=True)
    assert commits(writer) == 1


def test_a_model_is_copied_from_one_repository_to_another(writer):
    push(writer)
    source = zoo.locate(f"hf-hub:{MODEL}", **writer.reading)
    assert source.size("README.md") > 0
    with pytest.MonkeyPatch.context() as patch:
        writer.becomes_the_default(patch)
        push(writer, f"hf-hub:{MODEL}", "someone/copy")
    for name in ("config.json", "generator.safetensors", "samples.png"):
        assert writer.hub.read("someone/copy", name) == writer.hub.read(MODEL, name)
    assert 'ganzoo.load("hf-hub:someone/copy")' in writer.hub.read("someone/copy", "README.md").decode()


def test_a_copy_fetches_no_more_than_the_network_takes(writer, monkeypatch):
    push(writer)
    writer.hub.commit(MODEL, {"generator.safetensors": b"\0" * 2**22})
    writer.becomes_the_default(monkeypatch)
    with pytest.raises(HubIntegrityError, match=r"and what config\.json describes takes at most"):
        push(writer, f"hf-hub:{MODEL}", "someone/copy")
    assert writer.hub.count("GET /lfs/.*") == 0


@pytest.mark.parametrize("file", ["README.md", "samples.png"])
def test_a_copy_lacks_nothing_that_the_hub_did_not_tell_of(writer, monkeypatch, file):
    push(writer)
    writer.becomes_the_default(monkeypatch)
    fault = writer.hub.fault(
        "POST .*/paths-info/.*", skip={"samples.png": 3, "README.md": 4}[file], times=None, status=503
    )
    with pytest.raises(HubUnreachableError, match="the Hub answers 503"):
        push(writer, f"hf-hub:{MODEL}", "someone/copy")
    assert fault.hits == limits.TRIES
    assert "someone/copy" not in writer.hub.store.repositories
    writer.hub.faults.clear()
    writer.hub.commit(MODEL, {}, delete=(file,))
    push(writer, f"hf-hub:{MODEL}", "someone/copy")
    assert "README.md" in writer.hub.files("someone/copy")  # the author's, or made anew where there was none


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"repository": "ring"}, SourceError, "it takes ORG/NAME"),
        ({"repository": "a/../b"}, SourceError, "it takes ORG/NAME"),
        ({"revision": "../main"}, SourceError, "names no revision"),
        ({"revision": "x", "create_pr": True}, InputError, "a pull request is to main"),
        ({"commit_message": " "}, InputError, "the commit message is empty"),
        ({"token": "hf_a b"}, HubAccessError, "cannot be sent"),
        ({"endpoint": "x"}, HubError, "it takes an address"),
    ],
)
def test_what_cannot_be_pushed_is_refused_before_anything_is_sent(writer, options, kind, message):
    with pytest.raises(kind, match=message):
        push(writer, **options)
    assert writer.hub.requests == []


def test_a_broken_model_is_not_pushed(writer, folder):
    (folder / "generator.safetensors").write_bytes(b"broken")
    with pytest.raises(WeightsError, match="are damaged"):
        push(writer, f"local-dir:{folder}")
    (folder / "generator.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"has no generator\.safetensors, which its config"):
        push(writer, f"local-dir:{folder}")
    (folder / "config.json").write_text("{}")
    with pytest.raises(ConfigError):
        push(writer, f"local-dir:{folder}")
    plain = ganzoo.GAN(generator=torch.nn.Linear(2, 2), latent_dim=2, sample_shape=(2,))
    with pytest.raises(WeightsError, match="plain modules"):
        plain.push_to_hub(MODEL, **writer.writing)
    assert writer.hub.requests == []


def every(account, match, **how):
    return account.hub.fault(match, **{"times": None} | how)


def reads_only(account):
    account.hub.add_user("reader", token="hf_readers_token", role="read")
    account.hub.create_repo(MODEL)
    account.token = "hf_readers_token"


FAILURES = {
    "no token": (lambda a: a.__setattr__("token", False), HubAccessError, "the token is not valid"),
    "wrong token": (lambda a: a.__setattr__("token", "hf_wrong_token"), HubAccessError, "the token is not valid"),
    "reads only": (reads_only, HubAccessError, "with a token that has the permission"),
    "down": (lambda a: a.hub.stop(), HubUnreachableError, "the Hub cannot be reached"),
    "500 for making": (lambda a: every(a, "POST /api/repos/create", status=500), HubUnreachableError, "answers 500"),
    "500 for weights": (lambda a: every(a, "PUT /lfs/.*", status=403), HubAccessError, "this is forbidden"),
    "500 for commits": (lambda a: every(a, "POST .*/commit/.*", status=500), HubUnreachableError, "answers 500"),
    "412 for commits": (lambda a: every(a, "POST .*/commit/.*", status=412), HubConflictError, "push again"),
    "HTML for the card": (
        lambda a: every(a, "POST /api/validate-yaml", status=502, body="<html>bad gateway</html>"),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "an empty object for information": (
        lambda a: every(a, "GET /api/models/.*", body="{}"),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "an empty object for commits": (
        lambda a: every(a, "POST .*/commit/.*", body="{}"),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "other objects for weights": (
        lambda a: every(a, "POST .*/objects/batch", body=json.dumps({"objects": [{"oid": "0" * 64, "size": 1}]})),
        HubUnreachableError,
        "what answered is not the Hugging Face Hub",
    ),
    "rate limited": (lambda a: every(a, "PUT /lfs/.*", retry_after=3600), HubUnreachableError, "asks to wait 3600 s"),
    "reset": (lambda a: every(a, "POST .*/commit/.*", reset=True), HubUnreachableError, "cannot be reached"),
}


@pytest.mark.parametrize(("fault", "kind", "said"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_push_is_one_typed_error(writer, monkeypatch, fault, kind, said):
    monkeypatch.setenv("GANZOO_HUB_TIMEOUT", "5")
    fault(writer)
    started = time.monotonic()
    with pytest.raises(HubError) as refused:
        push(writer)
    message = str(refused.value)
    assert type(refused.value) is kind, message
    assert said in message
    assert message.startswith(f"cannot push to {MODEL!r} (revision 'main'): ")
    assert "hf_" not in message
    assert "\n" not in message
    assert time.monotonic() - started < 5 + 5
    assert refused.value.__cause__ is not None


@pytest.mark.parametrize("account", ["xet"], indirect=True)
@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"status": 500}, HubUnreachableError),
        ({"status": 403}, HubAccessError),
        ({"retry_after": 3600}, HubUnreachableError),
        ({"reset": True}, HubUnreachableError),
    ],
    ids=str,
)
def test_xet_s_storage_refuses(writer, monkeypatch, how, kind):
    monkeypatch.setenv("GANZOO_HUB_TIMEOUT", "5")
    every(writer, "GET .*/xet-write-token/.*", **how)
    started = time.monotonic()
    with pytest.raises(kind, match=f"cannot push to {MODEL!r}"):
        push(writer)
    assert time.monotonic() - started < 5 + 5
    assert commits(writer) == 0


def test_a_card_that_the_hub_refuses(writer, folder):
    (folder / "README.md").write_text("---\nlicense: [no, such\n---\n# Mine\n")
    with pytest.raises(HubError, match=r"the Hub refuses the model card .*; mend README\.md"):
        push(writer, f"local-dir:{folder}")
    assert commits(writer) == 0


def test_offline(writer, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachableError, match="set to be offline"):
        push(writer)
    assert writer.hub.requests == []


@pytest.mark.parametrize(
    "how",
    [{"status": 500}, {"reset": True}, {"status": 503, "retry_after": 1}, {"status": 500, "perform": True}],
    ids=str,
)
def test_a_commit_that_broke_off_is_made_once(writer, how):
    writer.hub.create_repo(MODEL)
    before = len(writer.hub.store.repositories[MODEL].commits)
    writer.hub.fault("POST .*/commit/.*", **how)
    done = push(writer)
    assert done.commit == writer.hub.head(MODEL)
    assert len(writer.hub.store.repositories[MODEL].commits) == before + 1


def test_somebody_else_s_commit_is_not_overwritten(writer):
    push(writer)
    writer.hub.fault("POST .*/preupload/.*", action=lambda r: writer.hub.commit(MODEL, {"config.json": b"{}"}))
    with pytest.raises(HubConflictError, match="somebody else changed the repository meanwhile"):
        push(writer, "mlp-grid")
    assert writer.hub.read(MODEL, "config.json") == b"{}"


# The command line


def run(*arguments):
    return CliRunner().invoke(cli, arguments)


def test_push_on_the_command_line(writer, folder, monkeypatch):
    writer.becomes_the_default(monkeypatch)
    result = run("push", f"local-dir:{folder}", MODEL, "--private", "--message", "Mine")
    assert result.exit_code == 0, result.output
    commit = writer.hub.head(MODEL)
    assert f"load it with ganzoo.load('hf-hub:{MODEL}@{commit}')" in result.output
    assert writer.hub.store.repositories[MODEL].private
    result = run("push", "mlp-grid", MODEL, "--create-pr")
    assert "/discussions/1" in result.output
    result = run("push", "mlp-rign", MODEL)
    assert result.exit_code == 2
    assert "did you mean 'mlp-ring'" in result.output
    result = run("sample", f"hf-hub:{MODEL}", "--out", str(folder / "new.png"), "-n", "100")
    assert result.exit_code == 0, result.output
    assert (folder / "new.png").stat().st_size > 0


def test_card_on_the_command_line(folder):
    readme = folder / "README.md"
    text = readme.read_text()
    assert run("card", f"local-dir:{folder}").exit_code == 0
    assert readme.read_text() == text
    readme.write_text("# Mine\n")
    result = run("card", str(folder))
    assert result.exit_code == 2
    assert "--overwrite replaces it" in result.output
    assert readme.read_text() == "# Mine\n"
    assert run("card", str(folder), "--overwrite").exit_code == 0
    assert readme.read_text() == text
    readme.unlink()
    assert run("card", str(folder)).exit_code == 0
    assert readme.read_text() == text


# Publishing the zoo


@pytest.fixture
def fewer(monkeypatch):
    """Two bundled models instead of all; both are small."""
    from ganzoo import plugins

    every_entry = plugins.entries
    monkeypatch.setattr(plugins, "entries", lambda kind, **k: [e for e in every_entry(kind, **k) if e.name in SMALL])


SMALL = ("mlp-grid", "mlp-ring")


def publish(account, path):
    target = Target(repo_id="someone/NAME", **account.writing)
    lines = []
    return publishing.publish_zoo("someone", target, path=path, report=lines.append), lines


def test_a_published_model_loads_at_its_commit(writer, fewer, tmp_path, monkeypatch):
    path = tmp_path / "published.json"
    path.write_text("{}")
    places, lines = publish(writer, path)
    assert [line.split(":")[0] for line in lines] == list(SMALL)
    assert set(json.loads(path.read_text())) == set(SMALL)
    place = places["mlp-ring"]
    assert place.revision == writer.hub.head("someone/mlp-ring")
    assert set(place.sha256) == {"config.json", "generator.safetensors", "discriminator.safetensors"}

    monkeypatch.setattr("ganzoo.models.read_published", lambda: places)
    ganzoo.plugins.reset()
    writer.hub.requests.clear()
    bundled = ganzoo.load("mlp-ring", **writer.reading)
    assert writer.hub.requests == []
    for source in (f"mlp-ring@{place.revision}", "mlp-ring@main"):
        loaded = ganzoo.load(source, **writer.reading)
        assert torch.equal(loaded.sample(4, seed=1), bundled.sample(4, seed=1))
    # What the registry pins is held against what comes, also where the Hub itself vouches for other bytes.
    changed = {"config.json": writer.hub.read("someone/mlp-ring", "config.json") + b" "}
    other = writer.hub.commit("someone/mlp-ring", changed)
    assert ganzoo.load(f"mlp-ring@{other}", **writer.reading).sample_shape == (2,)
    pinned = type(place)(place.repo_id, other, place.sha256)
    monkeypatch.setattr("ganzoo.models.read_published", lambda: {"mlp-ring": pinned})
    ganzoo.plugins.reset()
    writer.forget()
    with pytest.raises(HubError, match=r"config\.json came damaged twice"):
        ganzoo.load(f"mlp-ring@{other}", **writer.reading)
    monkeypatch.undo()
    ganzoo.plugins.reset()


def test_publishing_goes_on_where_it_stopped(writer, fewer, tmp_path):
    path = tmp_path / "published.json"
    path.write_text("{}")
    fault = every(writer, "POST /api/models/someone/mlp-ring/commit/.*", status=403)
    with pytest.raises(HubAccessError):
        publish(writer, path)
    assert set(json.loads(path.read_text())) == {"mlp-grid"}
    writer.hub.faults.remove(fault)
    grid = writer.hub.head("someone/mlp-grid")
    places, _ = publish(writer, path)
    assert set(json.loads(path.read_text())) == set(SMALL)
    assert places["mlp-grid"].revision == grid


def test_nothing_is_published_that_cannot_be_written_down(writer, tmp_path):
    (tmp_path / "file").write_text("{}")
    path = tmp_path / "published.json"
    path.write_text("{}")
    path.chmod(0o444)

    def refuse(*_):
        raise OutputError("no")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write_text", refuse)
        with pytest.raises(OutputError, match=r"publish from a source checkout: pip install -e \."):
            publish(writer, path)
    assert writer.hub.requests == []


def test_a_revision_of_what_is_not_published(monkeypatch):
    monkeypatch.setattr("ganzoo.models.read_published", dict)
    ganzoo.plugins.reset()
    with pytest.raises(SourceError, match="asks for 'v1' of a model that is not published on the Hugging Face Hub"):
        ganzoo.load("mlp-ring@v1")
    with pytest.raises(SourceError, match="load 'mlp-ring', which comes with torch-ganzoo"):
        ganzoo.load("mlp-ring", revision="v1")
    monkeypatch.undo()
    ganzoo.plugins.reset()


def test_metadata_of_the_cards_is_valid_and_has_the_numbers():
    for name in ganzoo.list_pretrained(provider="torch-ganzoo"):
        folder = zoo.locate(name).folder
        data = ModelCard((folder / "README.md").read_text()).data
        config = json.loads((folder / "config.json").read_text())
        assert data.library_name == "ganzoo"
        if len(config["sampling"]["sample_shape"]) == 3:
            assert data.datasets in (["ylecun/mnist"], ["zalando-datasets/fashion_mnist"])
            measured = {metric["name"]: metric["value"] for metric in config["metrics"]}
            assert {result.metric_name: result.metric_value for result in data.eval_results} == measured
