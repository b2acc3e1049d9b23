"""A Hugging Face Hub on loopback: real HTTP for the real client, real commits, and failures on demand.

In a test, take the fixture ``hub`` (a running Hub without repositories)::

    def test_download(hub):
        hub.add_user("ganzoo", token="hf_ganzoo")
        hub.create_repo("ganzoo/dcgan-mnist")
        first = hub.commit("ganzoo/dcgan-mnist", {"config.json": b"{}", "model.safetensors": weights})
        hub.fault("GET .*", origin="cdn", cut=100)           # see loopback_faults.Fault
        answer = run_client(CODE, hub, token="hf_ganzoo")    # fresh process; the JSON on the last line it prints
        assert hub.count("HEAD .*/resolve/.*") == 1
        assert not hub.leaks()                               # no token went to the CDN

or speak to it from the test's own process with ``HfApi(endpoint=hub.endpoint, token=...)``; what ``huggingface_hub``
reads from the environment (``HF_HOME``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``, ``HF_HUB_DISABLE_XET``) takes effect in a
fresh process only. ``hub.stop()`` takes the server down, connections kept alive included, and ``hub.start()`` brings it
back at the same address.

It speaks what ``huggingface_hub`` 2 asks of model repositories. LFS files are answered by a redirect to
``hub.cdn_endpoint``, another origin; files pushed by xet lie in a ``local://`` store. Standard library alone,
but for PyYAML (cards) and ``hf_xet`` (a file that came by xet, read without it), which the client requires itself.

As a program of its own, which can be killed::

    python tests/hub/loopback_hub.py --folder DIR --port-file FILE --user ganzoo=hf_ganzoo --repo ganzoo/dcgan-mnist

It writes ``{"endpoint": ..., "cdn_endpoint": ..., "pid": ...}`` to FILE once it answers, and serves what DIR holds.
"""

import argparse
import json
import os
import re
import secrets
import sys
import threading
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

from loopback_client import HubProcess, client_environment, run_client
from loopback_faults import Fault, first_met
from loopback_git import lfs_tracked
from loopback_http import Origin, Request, Response
from loopback_pulls import merge_pull
from loopback_routes import perform
from loopback_storage import File, Repository, Store, User
from loopback_xet import xet_download, xet_files

__all__ = ["Fault", "HubProcess", "LoopbackHub", "client_environment", "run_client"]


class LoopbackHub:
    """A running Hub; a context manager, stopped at its end.

    Attributes:
        endpoint: the Hub's address, for ``HF_ENDPOINT``.
        cdn_endpoint: the address that LFS files are fetched from and sent to: another origin.
        requests: every request so far, in the order of their arrival; clear it to count anew.
        faults: the rules in force; ``faults.clear()`` ends them all.
        page_size: the most entries on one page of a listing.
        part_size: LFS files of more bytes are taken in parts of this size; ``None`` takes each in one piece.
    """

    def __init__(self, folder: Path | str, *, port: int = 0, cdn_port: int = 0) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(self.folder)
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.parts: dict[str, dict[int, bytes]] = {}
        self.page_size = 1000
        self.part_size: int | None = None
        self.secret = secrets.token_bytes(16)
        self._record = threading.Lock()
        self._xet: dict[str, tuple[str, int]] = {}
        self._ports = [port, cdn_port]
        self._origins: list[Origin] = []
        self.start()

    def __enter__(self) -> "LoopbackHub":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def cdn_endpoint(self) -> str:
        return f"http://localhost:{self._ports[1]}"

    def start(self) -> None:
        """Answer, at the same address as before."""
        if not self._origins:
            names = ("hub", "cdn")
            self._origins = [Origin(name, port, self.answer) for name, port in zip(names, self._ports, strict=True)]
            self._ports = [origin.server_address[1] for origin in self._origins]

    def stop(self) -> None:
        """Refuse every connection and end the open ones."""
        for origin in self._origins:
            origin.stop()
        self._origins = []

    # What a test prepares and looks at.

    def add_user(self, name: str, *, token: str | None = None, orgs: tuple[str, ...] = (), role: str = "write") -> User:
        """Add a user with a token (``role`` is ``"write"`` or ``"read"``) and the organizations of the user."""
        user = User(name, token or f"hf_{secrets.token_hex(17)}", list(orgs), role)
        with self.store.lock:
            self.store.users[name] = user
            self.store.save()
        return user

    def create_repo(
        self,
        repo_id: str,
        *,
        private: bool = False,
        gated: str | bool = False,
        disabled: bool = False,
        readers: tuple[str, ...] = (),
    ) -> Repository:
        """Make a repository; ``gated`` is ``"auto"`` or ``"manual"``, and ``readers`` are let through its gate.

        The attributes ``private``, ``gated``, ``disabled`` and ``readers`` of the result may be changed at any time.
        """
        with self.store.lock:
            if repo_id in self.store.repositories:
                raise ValueError(f"{repo_id} exists")
            return self.store.create(repo_id, private=private, gated=gated, disabled=disabled, readers=list(readers))

    def commit(
        self,
        repo_id: str,
        files: dict[str, bytes],
        *,
        branch: str = "main",
        delete: tuple[str, ...] = (),
        message: str = "Update",
    ) -> str:
        """Commit files to a branch, which is made from ``main`` if it is new, and return the commit's hash."""
        with self.store.lock:
            repository = self.store.repositories[repo_id]
            head = repository.resolve(branch) or repository.resolve("main")
            assert head is not None, f"{repo_id} has no branch main"
            rules = files.get(".gitattributes", self.store.gitattributes(head).encode()).decode()
            kept = {path: file for path, file in head.files.items() if path not in delete}
            for path, content in files.items():
                kept[path] = self.store.add_lfs(content) if lfs_tracked(rules, path) else self.store.add_blob(content)
            ref = repository.ref(branch) or f"refs/heads/{branch}"
            return self.store.add_commit(repository, ref, head.oid, kept, message, author=repository.namespace).oid

    def head(self, repo_id: str, revision: str = "main") -> str:
        """Return the commit that a revision names."""
        commit = self.store.repositories[repo_id].resolve(revision)
        if commit is None:
            raise KeyError(f"{repo_id} has no revision {revision}")
        return commit.oid

    def files(self, repo_id: str, revision: str = "main") -> dict[str, File]:
        """Return the files of a revision by path."""
        return dict(self.store.repositories[repo_id].commits[self.head(repo_id, revision)].files)

    def read(self, repo_id: str, path: str, revision: str = "main") -> bytes:
        """Return the bytes of one file."""
        with self.store.lock:
            return self.store_bytes(self.files(repo_id, revision)[path])

    def move(self, repo_id: str, branch: str, revision: str) -> None:
        """Let a branch (or ``refs/tags/...``) point to another revision, as a forced push does."""
        with self.store.lock:
            repository = self.store.repositories[repo_id]
            repository.refs[branch if branch.startswith("refs/") else f"refs/heads/{branch}"] = self.head(
                repo_id, revision
            )
            self.store.save()

    def merge(self, repo_id: str, number: int) -> str:
        """Merge a pull request and return the commit that it makes on ``main``."""
        with self.store.lock:
            repository = self.store.repositories[repo_id]
            return merge_pull(self.store, repository, repository.pulls[str(number)], repository.namespace).oid

    def rename(self, repo_id: str, new_id: str) -> None:
        """Give a repository another name; requests for the old one are sent on by a redirect."""
        with self.store.lock:
            self.store.rename(repo_id, new_id)

    def delete_repo(self, repo_id: str) -> None:
        with self.store.lock:
            del self.store.repositories[repo_id]
            self.store.save()

    def fault(self, match: str, **how: Any) -> Fault:
        """Add a rule for the requests that ``match`` fits and return it; see ``Fault`` for what it can do."""
        fault = Fault(match, **how)
        self.faults.append(fault)
        return fault

    def count(self, match: str = ".*", origin: str | None = None) -> int:
        """Return how many of ``requests`` fit a regular expression on ``"METHOD /path?query"``."""
        fits = [request for request in self.requests if re.fullmatch(match, f"{request.method} {request.target}")]
        return sum(origin in (None, request.origin) for request in fits)

    def leaks(self) -> list[Request]:
        """Return the requests that carried a token away from the Hub's own origin."""
        return [request for request in self.requests if request.origin != "hub" and request.authorization]

    # What the routes use.

    def has_content(self, sha256: str) -> bool:
        """Return whether an LFS object is there, in the LFS folder or in the xet store."""
        return self.store.lfs_path(sha256).exists() or self._xet_entry(sha256) is not None

    def _xet_entry(self, sha256: str) -> tuple[str, int] | None:
        if sha256 not in self._xet:
            self._xet = xet_files(self.store.folder / "xet")
        return self._xet.get(sha256)

    def lfs_file(self, sha256: str) -> File:
        """Return the entry of an LFS object that is there."""
        if entry := self._xet_entry(sha256):
            return self.store.lfs_file(sha256, entry[1], entry[0])
        return self.store.lfs_file(sha256, self.store.lfs_path(sha256).stat().st_size)

    def content(self, sha256: str) -> bytes:
        """Return the bytes of an LFS object."""
        path = self.store.lfs_path(sha256)
        if not path.exists() and (entry := self._xet_entry(sha256)):
            xet_download(self.store.folder / "xet", *entry, path)
        return path.read_bytes()

    def store_bytes(self, file: File) -> bytes:
        return self.content(file.sha256) if file.sha256 else self.store.blob(file)

    def answer(self, request: Request) -> tuple[Fault | None, Response]:
        """Return what to send for a request, and the fault that it met."""
        with self._record:
            self.requests.append(request)
            fault = first_met(self.faults, request)
        response = perform(self, request) if fault is None or fault.perform else None
        if fault is not None and fault.action is not None:
            fault.action(request)
        if fault is not None:
            return fault, fault.answer(response)
        assert response is not None
        return None, response


def main() -> None:
    """Serve a folder until the process is ended."""
    parser = argparse.ArgumentParser(description="Serve a loopback Hub.")
    parser.add_argument("--folder", required=True, type=Path, help="what is served, and kept")
    parser.add_argument("--port-file", required=True, type=Path, help="where to write the addresses")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cdn-port", type=int, default=0)
    parser.add_argument("--user", action="append", default=[], metavar="NAME=TOKEN")
    parser.add_argument("--repo", action="append", default=[], metavar="NAMESPACE/NAME")
    options = parser.parse_args()
    with LoopbackHub(options.folder, port=options.port, cdn_port=options.cdn_port) as hub:
        for name, _, token in (user.partition("=") for user in options.user):
            hub.add_user(name, token=token or None)
        for repo in options.repo:
            if repo not in hub.store.repositories:
                hub.create_repo(repo)
        partial = options.port_file.with_name(options.port_file.name + ".partial")
        addresses = {"endpoint": hub.endpoint, "cdn_endpoint": hub.cdn_endpoint, "pid": os.getpid()}
        partial.write_text(json.dumps(addresses))
        partial.replace(options.port_file)
        threading.Event().wait()


if __name__ == "__main__":
    main()
