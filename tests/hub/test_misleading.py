"""A server that would lead the client out of its cache or take its token elsewhere, and files that would run code."""

import hashlib
import io
import json
import marshal
import os
import pickle
import struct
import tarfile
import zipfile

import pytest
import torch
from huggingface_hub import utils

import ganzoo
from ganzoo import publishing, zoo
from ganzoo.cli import main
from ganzoo.errors import ConfigError, HubIntegrityError, HubUnreachableError, MissingPluginError, WeightsError
from ganzoo.hub import limits
from ganzoo.hub.pushing import Target

MODEL = "someone/ring"
SOURCE = f"hf-hub:{MODEL}"
FILES = {path.name: path.read_bytes() for path in zoo.locate("mlp-ring").folder.iterdir()}


@pytest.fixture
def model(account, monkeypatch):
    monkeypatch.setattr(limits, "PAUSE", 0.01)
    utils.close_session()
    if account.xet:
        publishing.push("mlp-ring", Target(repo_id=MODEL, **account.writing))
    else:
        account.hub.create_repo(MODEL)
        account.hub.commit(MODEL, FILES)
    account.hub.requests.clear()
    yield account
    utils.close_session()


def load(account, **arguments):
    return ganzoo.load(SOURCE, **account.reading | arguments)


def outside(account):
    """Return what lies in the test's folder, and is neither the Hub's nor the cache's."""
    return {path for path in account.folder.rglob("*") if not {"hub", "cache", "xet-cache"} & set(path.parts)}


OUT = [
    "../../../evil",
    "../evil",
    "..",
    ".",
    "/FOLDER/evil",
    "a/b",
    "\\\\host\\x",
    "C:x",
    "~",
    "a b",
    "e" * 300,
    "",
]


@pytest.mark.parametrize("name", OUT)
@pytest.mark.parametrize(
    ("file", "header"),
    [("config.json", "ETag"), ("config.json", "X-Linked-Etag"), ("generator.safetensors", "X-Linked-Etag")],
)
def test_an_etag_that_leads_out_of_the_cache_is_refused(model, header, file, name):
    model.hub.fault(f"HEAD .*/{file}", times=None, headers={header: f'"{name.replace("/FOLDER", str(model.folder))}"'})
    before = outside(model)
    with pytest.raises(HubUnreachableError, match=r"is not the Hugging Face Hub \(its ETag names no content\)"):
        load(model)
    assert outside(model) == before
    assert not list(model.cache.rglob(file))


def test_the_etag_of_a_redirect_within_the_hub_names_nothing(model):
    redirect = {"Location": f"/{MODEL}/resolve/{model.hub.head(MODEL)}/config.json", "ETag": 'W/"4f-a/b+c="'}
    fault = model.hub.fault("HEAD .*/config.json", status=307, headers=redirect)
    assert load(model).sample_shape == (2,)
    assert fault.hits == 1


@pytest.mark.parametrize("status", [None, 404])
@pytest.mark.parametrize("commit", ["../../../evil", "/FOLDER/evil", "main", "0" * 40, ".."])
def test_a_file_of_another_commit_is_refused(model, commit, status):
    told = {"X-Repo-Commit": commit.replace("/FOLDER", str(model.folder)), "X-Error-Code": "EntryNotFound"}
    model.hub.fault("HEAD .*/config.json", times=None, headers=told, status=status)
    before = outside(model)
    with pytest.raises(HubUnreachableError, match=r"\(it tells of another commit\)"):
        load(model)
    assert outside(model) == before
    assert not list(model.cache.rglob(".no_exist"))


@pytest.mark.parametrize("account", ["xet"], indirect=True)
@pytest.mark.parametrize("way", ["link", "route"])
def test_the_token_is_not_sent_where_xet_s_access_is_said_to_be(model, way):
    elsewhere = f"{model.hub.cdn_endpoint}/api/models/{MODEL}/xet-read-token/{'0' * 40}"
    told = {"link": {"Link": f'<{elsewhere}>; rel="xet-auth"'}, "route": {"Link": "", "X-Xet-Refresh-Route": elsewhere}}
    model.hub.fault("HEAD .*/generator.safetensors", times=None, headers=told[way])
    with pytest.raises(HubUnreachableError, match=r"\(it has the token sent to another server\)"):
        load(model)
    assert not model.hub.leaks()
    model.hub.faults.clear()
    assert load(model).sample_shape == (2,)


def test_the_token_is_not_sent_where_an_upload_is_said_to_be_verified(model):
    content = FILES["generator.safetensors"]
    digest = hashlib.sha256(content).hexdigest()
    model.hub.store.lfs_path(digest).unlink()
    places = {"upload": "put", "verify": "check"}
    hrefs = {name: {"href": f"{model.hub.cdn_endpoint}/{path}"} for name, path in places.items()}
    batch = {"transfer": "basic", "objects": [{"oid": digest, "size": len(content), "actions": hrefs}]}
    model.hub.fault("POST .*/info/lfs/objects/batch", body=json.dumps(batch))
    model.hub.fault("PUT /put", times=None, status=200)
    model.hub.fault("POST /check", times=None, status=200)
    with pytest.raises(HubUnreachableError, match=r"\(it has the token sent to another server\)"):
        publishing.push("mlp-ring", Target(repo_id="someone/other", **model.writing))
    assert model.hub.count("PUT /put") == 1
    assert model.hub.count("POST /check") == 0
    assert not model.hub.leaks()


@pytest.mark.parametrize("account", ["xet"], indirect=True)
def test_the_public_hub_s_address_stands_for_the_endpoint(model):
    commit = model.hub.head(MODEL)
    link = f'<https://huggingface.co/api/models/{MODEL}/xet-read-token/{commit}>; rel="xet-auth"'
    fault = model.hub.fault("HEAD .*/generator.safetensors", headers={"Link": link})
    assert load(model).sample_shape == (2,)
    assert fault.hits == 1
    assert model.hub.count(f"GET .*/xet-read-token/{commit}") == 1


# Files that would run code, if anything unpickled, unmarshalled or imported them


class Evil:
    """Unpickled, makes the folder `path`."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def zipped(**contents):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name.replace("__", "/"), content)
    return made.getvalue()


def tarred(content):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo("pickle")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def evil_files(path):
    """Return files in the formats from which loaders have run code, each of which makes a folder where one does."""
    plain = pickle.dumps(Evil(path))
    numpy = io.BytesIO()
    torch_file = io.BytesIO()
    torch.save({"a": Evil(path)}, torch_file)
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    numpy.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(repr(header)) + 1) + f"{header!r}\n".encode() + plain)
    return {
        "pickle": plain,
        "old pickle": pickle.dumps(Evil(path), protocol=0),
        "torch": torch_file.getvalue(),
        "torch before zip": tarred(plain),
        "pickle in a zip": zipped(archive__data__pkl=plain, archive__version=b"3"),
        "numpy": numpy.getvalue(),
        "numpy in a zip": zipped(**{"a.npy": numpy.getvalue()}),
        "marshal": b"\xa7\r\r\n"
        + bytes(12)
        + marshal.dumps(compile(f"import os; os.mkdir({str(path)!r})", "x", "exec")),
        "python": f"import os; os.mkdir({str(path)!r})".encode(),
        "pickle as a tensor": safetensors(
            {"a": {"dtype": "U8", "shape": [len(plain)], "data_offsets": [0, len(plain)]}}, plain
        ),
        "pickle after the tensors": FILES["generator.safetensors"] + plain,
        "pickle in the metadata": safetensors(
            {"__metadata__": {"data.pkl": pickle.dumps(Evil(path), 0).decode()}}, b""
        ),
    }


def test_the_evil_files_are_evil(tmp_path):
    files = evil_files(tmp_path / "ran")
    for name in ("pickle", "old pickle"):
        pickle.loads(files[name])  # noqa: S301
        (tmp_path / "ran").rmdir()
    torch.load(io.BytesIO(files["torch"]), weights_only=False)
    assert (tmp_path / "ran").is_dir()


@pytest.mark.parametrize("shape", evil_files("x"))
def test_what_runs_code_elsewhere_is_no_weights(model, tmp_path, shape):
    content = evil_files(tmp_path / "ran")[shape]
    config = json.loads(FILES["config.json"])
    config["networks"]["generator"]["sha256"] = hashlib.sha256(content).hexdigest()
    changed = {"config.json": json.dumps(config).encode(), "generator.safetensors": content}
    model.hub.commit(MODEL, changed | {"pytorch_model.bin": content, "model.pkl": content, "config.py": content})
    with pytest.raises((WeightsError, HubIntegrityError)):
        load(model)
    assert not (tmp_path / "ran").exists()


# What a stranger's config.json says cannot move the terminal, nor is it HTML

MOVING = "\x1b[2J\x1b]0;gone\x07\x9b1A\u202e<script>alert(1)</script>\u2028x"


def strangers_folder(tmp_path, change):
    config = json.loads(FILES["config.json"])
    change(config)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_what_a_config_says_is_shown_as_text(tmp_path, capsys):
    def change(config):
        config["training"] = {"data": MOVING, MOVING: {MOVING: [MOVING]}, "recipe": MOVING}
        config["metrics"] = [{"name": MOVING, "value": MOVING, "detail": MOVING, "protocol": {MOVING: MOVING}}]
        config["license"] = {"weights": MOVING, MOVING: MOVING}
        config["sampling"]["class_names"] = [MOVING]

    folder = strangers_folder(tmp_path, change)
    (folder / "README.md").unlink()
    for arguments in (["info", f"local-dir:{folder}"], ["card", str(folder)]):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "alert(1)" in shown
    card = (folder / "README.md").read_text()
    for line in [*shown.split("\n"), *card.split("\n")]:
        assert line.isprintable(), line
    assert "alert(1)" in card
    assert "<script>" not in card


@pytest.mark.parametrize("provider", [{}, {"distribution": "torch-ganzoo", "requires": "torch-ganzoo>=9"}])
@pytest.mark.parametrize("version", [MOVING, "9" * 5000, "1." * 10**5])
def test_a_plugin_s_version_is_shown_as_text(tmp_path, provider, version):
    def change(config):
        told = {"distribution": MOVING, "requires": MOVING, "version": version} | provider
        config["networks"]["generator"] |= {"architecture": "sound/wave", "provider": told}

    folder = strangers_folder(tmp_path, change)
    with pytest.raises(MissingPluginError) as refused:
        ganzoo.load(folder)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["networks"]["generator"].update({MOVING: 1}),
        lambda config: config["networks"]["generator"]["args"].update({MOVING: MOVING}),
        lambda config: config["networks"]["generator"]["args"].update(normalization=MOVING),
        lambda config: config["networks"]["generator"].update(file=MOVING),
        lambda config: config["networks"]["generator"].update(sha256=MOVING),
        lambda config: config["networks"].update({MOVING: {}}),
        lambda config: config["sampling"].update(data_dtype=MOVING),
    ],
)
def test_a_refusal_shows_values_as_text(tmp_path, change):
    with pytest.raises(ConfigError) as refused:
        ganzoo.load(strangers_folder(tmp_path, change))
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", [MOVING, "x" * 10**5])
def test_names_of_tensors_are_shown_as_text(tmp_path, name):
    header = {name: {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    for data in (b"\0", b""):
        content = safetensors(header, data)
        digest = hashlib.sha256(content).hexdigest()
        folder = strangers_folder(tmp_path, lambda c, d=digest: c["networks"]["generator"].update(sha256=d))
        (folder / "generator.safetensors").write_bytes(content)
        with pytest.raises(WeightsError) as refused:
            ganzoo.load(folder)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 3000
