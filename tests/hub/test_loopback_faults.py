"""Every fault does what it says, seen byte by byte, and through the real client."""

import hashlib
import http.client
import time
from urllib.parse import urlsplit

import pytest
from loopback_hub import LoopbackHub, run_client

CONTENT = bytes(range(256)) * 400
PATH = "/ganzoo/gan/resolve/main/notes.txt"


@pytest.fixture
def filled(hub):
    """A Hub with one repository of one regular and one LFS file."""
    hub.add_user("ganzoo", token="hf_ganzoo")
    hub.create_repo("ganzoo/gan")
    hub.commit("ganzoo/gan", {"notes.txt": CONTENT, "model.safetensors": CONTENT})
    return hub


def ask(hub, path=PATH, method="GET", **headers):
    """Return status, headers and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(hub.endpoint).netloc, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_a_status_is_answered_as_often_as_asked_and_then_the_truth(filled):
    fault = filled.fault("GET .*/resolve/.*", status=503, times=2, skip=1)
    assert [ask(filled)[0] for _ in range(4)] == [200, 503, 503, 200]
    assert fault.hits == 2
    assert [seen.status for seen in filled.requests] == [200, 503, 503, 200]


def test_a_rule_without_end_lasts_until_it_is_cleared(filled):
    filled.fault("GET .*", status=500, times=None)
    assert [ask(filled)[0] for _ in range(5)] == [500] * 5
    filled.faults.clear()
    assert ask(filled)[0] == 200


def test_rules_for_the_same_requests_count_all_of_them(filled):
    filled.fault("GET .*", status=500)
    filled.fault("GET .*", status=501, skip=2)
    assert [ask(filled)[0] for _ in range(4)] == [500, 200, 501, 200]


def test_a_rule_meets_only_what_it_matches(filled):
    filled.fault("HEAD .*", status=503)
    filled.fault("GET /lfs/.*", origin="hub", status=503)
    assert ask(filled)[0] == 200
    assert ask(filled, method="HEAD")[0] == 503


def test_a_page_of_html_stands_in_for_the_answer(filled):
    filled.fault("GET .*", body="<html>Log in to the network</html>")
    status, headers, body = ask(filled)
    assert (status, body) == (200, b"<html>Log in to the network</html>")
    assert headers["Content-Type"].startswith("text/html")
    assert headers["X-Repo-Commit"] is None


def test_retry_after_and_other_headers_are_sent(filled):
    filled.fault("GET .*", retry_after=3, headers={"RateLimit": '"api";r=0;t=3'})
    status, headers, _ = ask(filled)
    assert (status, headers["Retry-After"], headers["RateLimit"]) == (429, "3", '"api";r=0;t=3')


@pytest.mark.parametrize("size", [0, 1000])
def test_a_cut_sends_so_many_bytes_and_closes(filled, size):
    filled.fault("GET .*", cut=size)
    with pytest.raises(http.client.IncompleteRead) as error:
        ask(filled)
    assert error.value.partial == CONTENT[:size]
    assert error.value.expected == len(CONTENT) - size


def test_a_reset_ends_the_connection_before_any_answer(filled):
    filled.fault("GET .*", reset=True)
    with pytest.raises(ConnectionResetError):
        ask(filled)
    assert filled.requests[-1].status is None
    assert ask(filled)[2] == CONTENT


def test_a_reset_in_the_body_comes_after_so_many_bytes(filled):
    filled.fault("GET .*", reset=True, cut=1000)
    connection = http.client.HTTPConnection(urlsplit(filled.endpoint).netloc, timeout=10)
    connection.request("GET", PATH)
    answer = connection.getresponse()
    assert answer.read(1000) == CONTENT[:1000]
    with pytest.raises(ConnectionResetError):
        answer.read()
    connection.close()


def test_a_flip_inverts_one_byte_and_keeps_the_size(filled):
    filled.fault("GET .*", flip=700)
    _, _, body = ask(filled)
    assert [place for place, pair in enumerate(zip(body, CONTENT, strict=True)) if pair[0] != pair[1]] == [700]


def test_a_delay_comes_before_the_answer(filled):
    filled.fault("GET .*", delay=0.3)
    begin = time.monotonic()
    assert ask(filled)[2] == CONTENT
    assert time.monotonic() - begin >= 0.3


def test_an_action_runs_between_the_answer_and_its_sending(filled):
    before = filled.head("ganzoo/gan")
    after = filled.commit("ganzoo/gan", {"notes.txt": b"new"})
    filled.move("ganzoo/gan", "main", before)
    filled.fault("HEAD .*", action=lambda _: filled.move("ganzoo/gan", "main", after))
    assert ask(filled, method="HEAD")[1]["X-Repo-Commit"] == before
    assert ask(filled, method="HEAD")[1]["X-Repo-Commit"] == after


@pytest.mark.parametrize("perform", [False, True])
def test_a_failed_answer_may_hide_that_the_request_took_effect(filled, perform):
    path, fields = "/api/models/ganzoo/gan/branch/trial", {"Authorization": "Bearer hf_ganzoo"}
    filled.fault("POST .*/branch/.*", status=500, perform=perform)
    assert ask(filled, path, "POST", **fields)[0] == 500
    assert ("refs/heads/trial" in filled.store.repositories["ganzoo/gan"].refs) is perform


def test_a_stopped_server_refuses_and_ends_what_it_kept_alive(filled):
    connection = http.client.HTTPConnection(urlsplit(filled.endpoint).netloc, timeout=10)
    connection.request("GET", PATH)
    assert connection.getresponse().read() == CONTENT
    socket = connection.sock
    filled.stop()
    assert socket.recv(1) == b""
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        ask(filled)
    filled.start()
    assert ask(filled)[2] == CONTENT


def test_ranges(filled):
    assert ask(filled, Range="bytes=100-199")[::2] == (206, CONTENT[100:200])
    status, headers, body = ask(filled, Range="bytes=102000-")
    assert (status, headers["Content-Range"], body) == (206, "bytes 102000-102399/102400", CONTENT[102000:])
    assert ask(filled, Range="bytes=-10")[2] == CONTENT[-10:]
    assert ask(filled, Range="bytes=102400-")[0] == 416


def test_listings_come_in_pages(filled):
    filled.commit("ganzoo/gan", {f"samples/{number}.txt": b"" for number in range(5)})
    filled.page_size = 3
    code = """
import json
from huggingface_hub import HfApi
print(json.dumps([entry.path for entry in HfApi().list_repo_tree("ganzoo/gan", recursive=True)]))
"""
    paths = [".gitattributes", "model.safetensors", "notes.txt", "samples", *(f"samples/{n}.txt" for n in range(5))]
    assert run_client(code, filled) == paths
    assert filled.count("GET .*/tree/main.*") == 3


def test_another_origin_needs_the_address_it_was_given(filled):
    location = ask(filled, "/ganzoo/gan/resolve/main/model.safetensors")[1]["Location"]
    assert location.startswith(filled.cdn_endpoint)
    connection = http.client.HTTPConnection(urlsplit(location).netloc, timeout=10)
    connection.request("GET", urlsplit(location).path)
    assert connection.getresponse().status == 403
    connection.close()


DOWNLOADS = """
import hashlib, json
from pathlib import Path
from huggingface_hub import hf_hub_download

def fetch(name):
    try:
        path = hf_hub_download("ganzoo/gan", name)
    except Exception as error:
        return [type(error).__name__, type(error.__cause__).__name__]
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()

names = ["slow", "cut", "flip", "reset", "expired", "portal", "sound"]
print(json.dumps({name: fetch(f"{name}.safetensors") for name in names}))
"""


def test_how_the_client_takes_it(filled):
    """One download for each fault: waited for, resumed, taken for good, or ended with an error."""
    contents = {
        name: name.encode() + CONTENT for name in ("slow", "cut", "flip", "reset", "expired", "portal", "sound")
    }
    filled.commit("ganzoo/gan", {f"{name}.safetensors": content for name, content in contents.items()})
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    body = {name: f"GET /lfs/{digest}.*" for name, digest in sha256.items()}
    filled.fault("HEAD .*/slow.*", retry_after=0)
    filled.fault(body["cut"], cut=1000)
    filled.fault(body["flip"], flip=0)
    filled.fault(body["reset"], reset=True, cut=1000)
    filled.fault(body["expired"], status=403)
    filled.fault("HEAD .*/portal.*", body="<html>Log in</html>", times=None)
    answers = run_client(DOWNLOADS, filled, token="hf_ganzoo")
    flipped = contents["flip"]
    assert answers == sha256 | {
        "flip": hashlib.sha256(bytes([flipped[0] ^ 0xFF]) + flipped[1:]).hexdigest(),
        "reset": ["ReadError", "ReadError"],
        "expired": ["HfHubHTTPError", "HTTPStatusError"],
        "portal": ["LocalEntryNotFoundError", "FileMetadataError"],
    }
    assert filled.count("HEAD .*/slow.*") == 2
    assert filled.leaks() == []


def test_repositories_outlive_the_server(tmp_path):
    with LoopbackHub(tmp_path) as first:
        first.add_user("ganzoo", token="hf_ganzoo", orgs=("lab",))
        repository = first.create_repo("lab/gan", gated="auto")
        repository.readers.append("someone")
        oid = first.commit("lab/gan", {"model.safetensors": CONTENT})
    with LoopbackHub(tmp_path) as second:
        assert second.store.users == first.store.users
        assert second.store.repositories == first.store.repositories
        assert second.read("lab/gan", "model.safetensors", oid) == CONTENT
