"""What a loopback Hub keeps: users, repositories with their commits and refs, and the bytes of every file.

Everything lies in one folder (``state.json``, ``blobs/<git sha1>``, ``lfs/<sha256>``, ``xet/``), so that a second
process, or the same one after a restart, serves the same repositories.
"""

import hashlib
import itertools
import json
import os
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from loopback_git import GITATTRIBUTES, git_sha1, lfs_pointer


@dataclass(frozen=True)
class File:
    """One file of one commit: its git object, its size, and for an LFS file the hash of its content.

    ``xet`` is the xet file hash when the content came in by xet and lies in the xet store.
    """

    oid: str
    size: int
    sha256: str | None = None
    xet: str | None = None

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid

    @property
    def pointer_size(self) -> int:
        return len(lfs_pointer(self.sha256 or "", self.size))


@dataclass
class Commit:
    """One commit: its parent, its message and every file it holds."""

    oid: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    files: dict[str, File]


@dataclass
class User:
    """A user with one token; ``role`` is what the token may do, ``read`` or ``write``."""

    name: str
    token: str
    orgs: list[str] = field(default_factory=list)
    role: str = "write"


@dataclass
class PullRequest:
    """A pull request, opened at the commit ``base``."""

    number: int
    title: str
    description: str
    author: str
    base: str
    created: str
    status: str = "open"
    merge: str | None = None

    @property
    def ref(self) -> str:
        return f"refs/pr/{self.number}"


@dataclass
class Repository:
    """A model repository. ``readers`` are the users let through the gate of a gated one."""

    id: str
    private: bool = False
    gated: str | bool = False
    disabled: bool = False
    readers: list[str] = field(default_factory=list)
    created: str = ""
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    pulls: dict[str, PullRequest] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.id.split("/")[0]

    def ref(self, revision: str) -> str | None:
        """Return the full name of the branch, tag or pull request that ``revision`` names."""
        revision = "main" if revision == "HEAD" else revision
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in self.refs:
                return name
        return None

    def resolve(self, revision: str) -> Commit | None:
        """Return the commit that a branch, a tag, a pull request or a full hash names."""
        name = self.ref(revision)
        return self.commits.get(self.refs[name] if name else revision)

    def history(self, commit: Commit) -> list[Commit]:
        """Return the commit and its ancestors, newest first."""
        found: list[Commit] = []
        step: Commit | None = commit
        while step is not None:
            found.append(step)
            step = self.commits.get(step.parent or "")
        return found

    def last_change(self, commit: Commit, path: str) -> Commit:
        """Return the ancestor that gave ``path`` the content that it has in ``commit``."""
        for step in self.history(commit):
            parent = self.commits.get(step.parent or "")
            if parent is None or parent.files.get(path) != step.files.get(path):
                return step
        raise AssertionError(path)


class Store:
    """Users, repositories and bytes in one folder. Hold ``lock`` around anything that reads and then writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.users: dict[str, User] = {}
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        self._serial = itertools.count()
        for name in ("blobs", "lfs", "xet"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        if (folder / "state.json").exists():
            self._load(json.loads((folder / "state.json").read_text()))

    def _load(self, state: dict) -> None:
        self.renamed = state["renamed"]
        self.users = {user["name"]: User(**user) for user in state["users"]}
        for entry in state["repositories"]:
            for oid, commit in entry["commits"].items():
                files = {path: File(**file) for path, file in commit.pop("files").items()}
                entry["commits"][oid] = Commit(**commit, files=files)
            entry["pulls"] = {number: PullRequest(**pull) for number, pull in entry["pulls"].items()}
            self.repositories[entry["id"]] = Repository(**entry)

    def save(self) -> None:
        """Write users and repositories down."""
        state = {
            "renamed": self.renamed,
            "users": [asdict(user) for user in self.users.values()],
            "repositories": [asdict(repository) for repository in self.repositories.values()],
        }
        self._write(self.folder / "state.json", json.dumps(state).encode())

    def _write(self, path: Path, content: bytes) -> None:
        partial = path.with_name(f"{path.name}.{os.getpid()}.{next(self._serial)}.partial")
        partial.write_bytes(content)
        partial.replace(path)

    def add_blob(self, content: bytes) -> File:
        """Keep a regular file."""
        file = File(git_sha1(content), len(content))
        self._write(self.folder / "blobs" / file.oid, content)
        return file

    def add_lfs(self, content: bytes) -> File:
        """Keep an LFS file."""
        sha256 = hashlib.sha256(content).hexdigest()
        self._write(self.lfs_path(sha256), content)
        return self.lfs_file(sha256, len(content))

    def lfs_file(self, sha256: str, size: int, xet: str | None = None) -> File:
        return File(git_sha1(lfs_pointer(sha256, size)), size, sha256, xet)

    def lfs_path(self, sha256: str) -> Path:
        return self.folder / "lfs" / sha256

    def blob(self, file: File) -> bytes:
        """Return the bytes of a regular file."""
        return (self.folder / "blobs" / file.oid).read_bytes()

    def gitattributes(self, commit: Commit | None) -> str:
        file = commit.files.get(".gitattributes") if commit else None
        return self.blob(file).decode() if file else ""

    def create(self, repo_id: str, **settings: object) -> Repository:
        """Make a repository with its first commit, which holds the ``.gitattributes``."""
        repository = Repository(repo_id, created=now(), **settings)  # type: ignore[arg-type]
        files = {".gitattributes": self.add_blob(GITATTRIBUTES.encode())}
        self.repositories[repo_id] = repository
        self.renamed.pop(repo_id, None)
        self.add_commit(repository, "refs/heads/main", None, files, "initial commit", author=repository.namespace)
        return repository

    def rename(self, repo_id: str, new_id: str) -> None:
        """Give a repository another name; the old one leads to the new one until it is taken."""
        repository = self.repositories.pop(repo_id)
        repository.id = new_id
        self.repositories[new_id] = repository
        self.renamed[repo_id] = new_id
        self.save()

    def add_commit(
        self,
        repository: Repository,
        ref: str,
        parent: str | None,
        files: dict[str, File],
        title: str,
        message: str = "",
        author: str = "",
    ) -> Commit:
        """Add a commit of exactly these files and let ``ref`` point to it."""
        date = now()
        seed = [
            parent,
            title,
            message,
            author,
            date,
            len(repository.commits),
            sorted((p, f.oid) for p, f in files.items()),
        ]
        oid = hashlib.sha1(json.dumps(seed).encode()).hexdigest()
        commit = Commit(oid, parent, title, message, author, date, files)
        repository.commits[oid] = commit
        repository.refs[ref] = oid
        self.save()
        return commit


def now() -> str:
    """Return the time as the Hub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
