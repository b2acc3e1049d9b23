"""The loopback Hub does what a Hub does, by word of the real client, with LFS and with xet."""

import hashlib
import json
from pathlib import Path

import pytest
from loopback_hub import HubProcess, LoopbackHub, run_client

CODE = Path(__file__).with_name("client_operations.py").read_text()
HEADER = json.dumps({"layer.weight": {"dtype": "F32", "shape": [64, 32], "data_offsets": [0, 8192]}}).encode()
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(range(256)) * 32
GRID = bytes(range(251)) * 5000


@pytest.fixture(scope="module", params=["lfs", "xet"])
def session(request, tmp_path_factory):
    """A Hub, what the client did with it in one process, and whether files went by xet."""
    if request.param == "xet":
        pytest.importorskip("hf_xet")
    with LoopbackHub(tmp_path_factory.mktemp("hub")) as hub:
        hub.add_user("ganzoo", token="hf_ganzoo", orgs=("lab",))
        hub.add_user("someone", token="hf_someone")
        hub.create_repo("someone/theirs")
        hub.create_repo("someone/hidden", private=True)
        hub.create_repo("someone/gated", gated="manual")
        hub.create_repo("someone/disabled", disabled=True)
        hub.commit("someone/gated", {"config.json": b"{}"})
        told = run_client(CODE, hub, token="hf_ganzoo", xet=request.param == "xet")
        assert not [seen for seen in hub.requests if seen.status == 500]
        yield hub, told, request.param == "xet"


def between(hub, start, end):
    """Return the requests between two marks, as texts."""
    texts = [f"{seen.method} {seen.target}" for seen in hub.requests]
    return texts[texts.index(f"GET /mark/{start}") + 1 : texts.index(f"GET /mark/{end}")]


def test_accounts_and_repositories(session):
    hub, told, _ = session
    assert told["whoami"] == ["ganzoo", ["lab"]]
    assert told["created"] == told["created again"] == f"{hub.endpoint}/ganzoo/dcgan"
    assert told["created for an organization"] == f"{hub.endpoint}/lab/secret"
    assert told["create existing"] == ["HfHubHTTPError", 409]
    assert told["create foreign"] == ["HfHubHTTPError", 403]
    assert told["delete missing repository"] == ["RepositoryNotFoundError", 404]
    assert told["moved"][0] == "ganzoo/moved"
    assert "*.safetensors filter=lfs" in told["moved"][1]
    assert told["settings"] == ["manual", False]
    assert not {"lab/secret", "ganzoo/moved"} & set(hub.store.repositories)


def test_a_push_arrives_whole(session):
    hub, told, xet = session
    files = hub.files("ganzoo/dcgan", told["first"])
    assert hub.read("ganzoo/dcgan", "model.safetensors", told["first"]) == WEIGHTS
    assert hub.read("ganzoo/dcgan", "samples/grid.png", told["first"]) == GRID
    assert hub.read("ganzoo/dcgan", "config.json", told["first"]) == b'{"architecture": "dcgan"}'
    assert files["model.safetensors"].sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert (files["model.safetensors"].xet is not None) is xet
    assert files["config.json"].sha256 is None
    assert hub.count("PUT /lfs/.*", origin="cdn") == (0 if xet else 3)


def test_pushing_the_same_again_uploads_and_commits_nothing(session):
    hub, told, _ = session
    assert told["pushed again"] == told["first"]
    requests = between(hub, "again", "pushed")
    assert not [text for text in requests if text.startswith("PUT") or "/commit/" in text]


def test_commits_that_are_refused_leave_no_trace(session):
    hub, told, _ = session
    assert told["stale parent"] == ["HfHubHTTPError", 412]
    assert told["push foreign"] == ["HfHubHTTPError", 403]
    assert told["bad card"] == ["ValueError", None]
    assert told["delete missing"] == ["RemoteEntryNotFoundError", 404]
    assert hub.read("ganzoo/dcgan", "notes.txt", told["second"]) == b"noted\n"
    assert [title for _, title in told["commits"]][1:] == ["One", "initial commit"]
    assert [oid for oid, _ in told["commits"]][:2] == [told["second"], told["first"]]


def test_branches_tags_and_pull_requests(session):
    hub, told, _ = session
    assert set(told["refs"]) == {"refs/heads/main", "refs/heads/trial", "refs/tags/v1"}
    assert told["refs"]["refs/tags/v1"] == told["first"] == told["resolved"]
    assert told["refs"]["refs/heads/main"] == told["second"]
    assert told["tag existing"] == told["branch existing"] == ["HfHubHTTPError", 409]
    assert told["refs left"] == ["refs/heads/main"]
    assert told["proposal"] == ["refs/pr/1", f"{hub.endpoint}/someone/theirs/discussions/1"]
    assert told["second proposal"] == "refs/pr/2"
    assert told["proposals"] == [[1, "ganzoo"], [2, "ganzoo"]]
    assert hub.read("someone/theirs", "model.safetensors", "refs/pr/2") == WEIGHTS
    assert "model.safetensors" not in hub.files("someone/theirs")


def test_what_is_told_of_a_model(session):
    hub, told, _ = session
    sha256 = {
        "model.safetensors": hashlib.sha256(WEIGHTS).hexdigest(),
        "samples/grid.png": hashlib.sha256(GRID).hexdigest(),
    }
    assert told["info"].keys() == set(told["files"])
    assert {name: lfs for name, (_, lfs) in told["info"].items() if lfs} == sha256
    assert told["info"]["model.safetensors"][0] == len(WEIGHTS)
    assert told["info"]["notes.txt"] == [6, None]
    assert told["card"]["license"] == "mit"
    assert told["model"] == [told["second"], False, False, "ganzoo", "unconditional-image-generation", {"F32": 2048}]
    assert told["exists"] == told["revision exists"] == told["repo exists"] == [True, False]
    assert told["paths"] == {"samples": None, "model.safetensors": told["first"]}
    assert told["models"] == ["ganzoo/dcgan"]
    assert told["files left"] == [".gitattributes", "README.md", "config.json", "model.safetensors"]
    assert sorted(told["files left"]) == sorted(hub.files("ganzoo/dcgan"))


def test_downloads(session):
    _, told, _ = session
    for name in ("by main", "by main again", "by commit", "by tag", "by branch", "same samples"):
        assert told[name] is True, name
    assert told["local_dir"] == '{"architecture": "dcgan"}'
    assert told["snapshot of"] == told["first"]
    expected = [".gitattributes", "README.md", "config.json", "model.safetensors", "samples/grid.png"]
    assert told["snapshot"] == expected
    assert told["verified"] == []
    assert told["safetensors"] == {"F32": 2048}


def test_a_cached_file_costs_one_head_by_branch_and_nothing_by_commit(session):
    hub, _, xet = session
    first = between(hub, "download", "etag")
    assert [text.split("?")[0].split("/")[0] for text in first] == ["HEAD ", "GET "]
    assert ("xet-read-token" in first[1]) is xet
    assert between(hub, "etag", "commit") == ["HEAD /ganzoo/dcgan/resolve/main/model.safetensors"]
    assert between(hub, "commit", "downloaded") == []


def test_each_refusal_has_its_class(session):
    _, told, _ = session
    assert told["missing file"] == ["RemoteEntryNotFoundError", 404]
    assert told["missing revision"] == ["RevisionNotFoundError", 404]
    assert told["missing repository"] == told["private repository"] == ["RepositoryNotFoundError", 404]
    assert told["gated repository"] == ["GatedRepoError", 403]
    assert told["wrong token"] == ["HfHubHTTPError", 401]
    assert told["checked"] == [None, ["GatedRepoError", 403], ["RepositoryNotFoundError", 404]]
    assert told["disabled"] == ["DisabledRepoError", 403]
    assert told["checked for writing"] == ["HfHubHTTPError", 403]


def test_no_token_leaves_the_hub(session):
    hub, _, _ = session
    assert hub.leaks() == []
    if not session[2]:
        assert hub.count(".*", origin="cdn") > 0


READ = """
import json, hashlib
from huggingface_hub import hf_hub_download
path = hf_hub_download("ganzoo/gan", "model.safetensors")
print(json.dumps(hashlib.sha256(open(path, "rb").read()).hexdigest()))
"""
PUSH = """
import json
from huggingface_hub import HfApi
name = "model.safetensors"
print(json.dumps(HfApi().upload_file(repo_id="ganzoo/gan", path_or_fileobj=CONTENT, path_in_repo=name).oid))
"""


@pytest.mark.parametrize(("push", "read"), [(True, False), (False, True)])
def test_what_came_by_one_way_leaves_by_the_other(hub, push, read):
    pytest.importorskip("hf_xet")
    content = bytes(range(253)) * 1000
    hub.add_user("ganzoo", token="hf_ganzoo")
    hub.create_repo("ganzoo/gan")
    code = PUSH.replace("CONTENT", "bytes(range(253)) * 1000")
    assert run_client(code, hub, token="hf_ganzoo", xet=push) == hub.head("ganzoo/gan")
    assert run_client(READ, hub, xet=read) == hashlib.sha256(content).hexdigest()


def test_large_files_go_in_parts(hub):
    hub.part_size = 65536
    hub.add_user("ganzoo", token="hf_ganzoo")
    hub.create_repo("ganzoo/gan")
    run_client(PUSH.replace("CONTENT", "bytes(range(253)) * 1000"), hub, token="hf_ganzoo")
    assert hub.count("PUT /parts/.*", origin="cdn") == 4
    assert hub.read("ganzoo/gan", "model.safetensors") == bytes(range(253)) * 1000
    assert hub.leaks() == []


def test_a_second_process_serves_the_same_folder_until_it_is_killed(tmp_path):
    with LoopbackHub(tmp_path) as hub:
        hub.create_repo("ganzoo/gan")
        head = hub.commit("ganzoo/gan", {"model.safetensors": WEIGHTS})
    code = """
import json
from huggingface_hub import HfApi
try:
    print(json.dumps(HfApi().model_info("ganzoo/gan").sha))
except Exception as error:
    print(json.dumps(type(error).__name__))
"""
    with HubProcess(tmp_path) as process:
        assert run_client(READ, process) == hashlib.sha256(WEIGHTS).hexdigest()
        assert run_client(code, process) == head
        process.kill()
        assert run_client(code, process) == "ConnectError"
