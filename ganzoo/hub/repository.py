"""A model's repository on the Hub: one commit, whose files are fetched when asked for, and checked each time."""

import hashlib
import os
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, RepoFile, constants, try_to_load_from_cache
from huggingface_hub.errors import OfflineModeIsEnabled

from ganzoo import __version__, files
from ganzoo.errors import (
    HubAccessError,
    HubError,
    HubIntegrityError,
    HubNotFoundError,
    HubUnreachableError,
    HubWarning,
    OutputError,
)
from ganzoo.hub.failures import RAISED, explaining, redacted, shown
from ganzoo.hub.limits import Limit
from ganzoo.registry import COMMIT

CACHED_PATIENCE = 2.5  # seconds for the Hub to say which commit is the newest, where one is cached
ABANDONED = 24 * 3600  # seconds after which an unfinished download is nobody's


class NoAnswerError(Exception):
    """The Hub did not answer; the cause says why."""


class Resolver(HfApi):
    """The Hub's own client, which does not hide behind its cache that the Hub did not say what a revision is."""

    def repo_info(self, *arguments: Any, **options: Any) -> Any:
        """Ask the Hub about a repository; arguments as the client's own.

        Raises:
            NoAnswerError: It gave no answer.
        """
        try:
            return super().repo_info(*arguments, **{"timeout": constants.HF_HUB_ETAG_TIMEOUT} | options)
        except Exception as error:
            raise NoAnswerError from error


def new_client(endpoint: str | None, token: str | bool | None) -> HfApi:
    """Return a client.

    Args:
        endpoint: The Hub's address; None for `HF_ENDPOINT` or the public one.
        token: A token; None for the one that `hf auth login` stored, False for none.

    Raises:
        HubAccessError: The token holds what cannot be sent.
        HubError: The address is none.
    """
    if isinstance(token, str) and not (token.isascii() and token.isprintable() and token and " " not in token):
        raise HubAccessError(
            "the token given holds blanks or other characters that cannot be sent; copy it again from "
            "https://huggingface.co/settings/tokens"
        )
    if endpoint is not None and not (isinstance(endpoint, str) and endpoint.startswith(("http://", "https://"))):
        raise HubError(f"endpoint is {redacted(repr(endpoint))}; it takes an address such as 'https://huggingface.co'")
    return HfApi(endpoint=endpoint, token=token, library_name="ganzoo", library_version=__version__)


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach the Hub, as `ganzoo.load` takes it."""

    cache_dir: str | os.PathLike[str] | None = None
    token: str | bool | None = field(default=None, repr=False)
    local_files_only: bool = False
    force_download: bool = False
    endpoint: str | None = None


class Repository:
    """A model's files on the Hub, all of one commit.

    Args:
        repo_id: The repository.
        revision: A branch, tag or commit; empty for the default branch.
        access: How to reach the Hub.
        loading: What is being loaded, as the user gave it.
        sha256: What the files of that very commit must be, by name, where that is known.

    Raises:
        HubError: The Hub does not say which commit that is, and the cache does not know it.
        OutputError: There is no home for the cache to be in.
    """

    def __init__(
        self, repo_id: str, revision: str, access: Access, loading: str, sha256: Mapping[str, str] | None = None
    ) -> None:
        self.repo_id = repo_id
        self._access, self._pinned = access, sha256 or {}
        self._client = new_client(access.endpoint, access.token)
        self._page = shown(f"{self._client.endpoint}/{repo_id}")
        at = f"revision {revision or 'main'!r}" if not COMMIT.fullmatch(revision) else f"commit {revision[:12]}"
        self._what = f"cannot load {loading!r} ({repo_id}, {at})"
        self._cache = _cache_folder(access.cache_dir, self._what)
        self._limit = Limit(self._what, self._client.endpoint)
        self._known: dict[str, RepoFile] = {}
        self.commit = self._resolved(revision)

    def path(self, file: str, *, largest: int, sha256: str = "") -> Path:
        """Return a file's path in the cache, fetched if need be and checked.

        Args:
            file: Its plain name.
            largest: Refuse it, before it is fetched, if it has more bytes.
            sha256: What its SHA-256 must be; empty where that is not known.

        Raises:
            HubIntegrityError: It is too large, or twice came as another than it must be.
            HubNotFoundError: The repository has no such file.
            HubError: It cannot be fetched.
        """
        expected = sha256 or self._pinned.get(file, "")
        self._check_digest(file, expected, self._pinned.get(file, ""), "the registry")
        cached = self._cached(file)
        if cached is not None and not self._access.force_download:
            if cached.stat().st_size <= largest and is_intact(cached, expected):
                return cached
            if self._access.local_files_only or constants.is_offline_mode():
                raise HubIntegrityError(
                    f"{self._what}: the cached {file} is damaged or too large ({str(cached)!r}); go online, and load "
                    "again"
                )
        with self._explaining():
            known = self._describe(file)
            self._check_size(file, known.size, largest)
            if known.lfs is not None:
                self._check_digest(file, expected, known.lfs.sha256, "the Hub")
            return self._fetched(known, expected, again=cached is not None)

    def size(self, file: str) -> int:
        """Return how many bytes a file has, asking the Hub if need be; 0 if it is not there.

        Raises:
            HubError: The Hub does not tell.
        """
        cached = self._cached(file)
        if cached is not None:
            return cached.stat().st_size
        try:
            with self._explaining():
                return self._describe(file).size
        except HubNotFoundError:
            return 0

    def _resolved(self, revision: str) -> str:
        """Return the commit that a revision is, or was when it was cached, with a warning."""
        known = None if self._access.force_download else self._cached_commit(revision)
        ask = partial(self._ask_commit, revision)
        try:
            with self._explaining():
                return self._limit.run(ask, CACHED_PATIENCE) if known else self._limit.retry(ask)
        except HubError as error:
            if known is None:
                raise
            if not isinstance(error.__cause__, OfflineModeIsEnabled):
                warnings.warn(f"{error}. The copy in the cache is used, commit {known[:12]}", HubWarning, stacklevel=6)
            return known

    def _ask_commit(self, revision: str) -> str:
        resolver = Resolver(self._client.endpoint, self._access.token, "ganzoo", __version__)
        try:
            resolved = resolver.resolve_revision(
                self.repo_id,
                revision=revision or None,
                cache_dir=self._cache,
                local_files_only=self._access.local_files_only,
            )
        except NoAnswerError as error:
            raise error.__cause__ or error from None
        if not COMMIT.fullmatch(resolved.resolved):
            raise HubIntegrityError(f"{self._what}: the Hub gave no commit; check HF_ENDPOINT")
        return resolved.resolved

    def _cached_commit(self, revision: str) -> str | None:
        """Return the commit of a cached model under a branch or tag; None for a commit, which needs no asking."""
        if COMMIT.fullmatch(revision):
            return None
        with suppress(*RAISED):
            offline = HfApi(endpoint=self._client.endpoint, token=False)
            resolved = offline.resolve_revision(
                self.repo_id, revision=revision or None, cache_dir=self._cache, local_files_only=True
            ).resolved
            if COMMIT.fullmatch(resolved) and self._cached("config.json", resolved) is not None:
                return resolved
        return None

    def _cached(self, file: str, commit: str = "") -> Path | None:
        with explaining(self._what, self._page, self._access.token):
            found = try_to_load_from_cache(self.repo_id, file, cache_dir=self._cache, revision=commit or self.commit)
        return Path(found) if isinstance(found, str) else None

    def _describe(self, file: str) -> RepoFile:
        """Ask the Hub for a file's size and digest."""
        if file not in self._known:
            if self._access.local_files_only:
                raise HubUnreachableError(
                    f"{self._what}: the cache does not have {file}; load it once without local_files_only"
                )
            found = self._limit.retry(lambda: self._client.get_paths_info(self.repo_id, [file], revision=self.commit))
            described = [each for each in found if isinstance(each, RepoFile) and each.path == file]
            if not described:
                raise HubNotFoundError(
                    f"{self._what}: the repository has no {file}, so it is no model that ganzoo saved; see {self._page}"
                )
            self._known[file] = described[0]
            self._limit.allow(described[0].size)
        return self._known[file]

    def _fetched(self, known: RepoFile, expected: str, *, again: bool) -> Path:
        file = known.path
        for force in (again or self._access.force_download, True):
            path = Path(self._limit.retry(partial(self._download, file, force)))
            if force:
                _take_the_place(path.parents[2] / "blobs" / (known.lfs.sha256 if known.lfs else known.blob_id), path)
            # Where the cache makes no links, only now is it known what the Hub said the file is.
            if is_intact(path, expected) and (named_by_content(path) is not None or is_same(path, known)):
                self._sweep()
                return path
        blob, shared = named_by_content(path), path.resolve()
        with suppress(OSError):
            for each in {path, blob or path, shared}:
                each.unlink(missing_ok=True)
        raise HubIntegrityError(
            f"{self._what}: {file} came damaged twice (its SHA-256 is not the one expected), and was deleted; try "
            "again, from another network or mirror (HF_ENDPOINT)"
        )

    def _download(self, file: str, force: bool) -> str:
        return self._client.hf_hub_download(
            self.repo_id,
            file,
            revision=self.commit,
            cache_dir=self._cache,
            local_files_only=self._access.local_files_only,
            force_download=force,
        )

    def _sweep(self) -> None:
        """Remove what killed downloads of this repository left a day ago or earlier; the client never does."""
        blobs = self._cache / f"models--{self.repo_id.replace('/', '--')}" / "blobs"
        for path in blobs.glob("*.incomplete"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()

    def _explaining(self) -> Any:
        return explaining(self._what, self._page, self._access.token)

    def _check_size(self, file: str, size: int, largest: int) -> None:
        if size > largest:
            raise HubIntegrityError(
                f"{self._what}: {file} has {size:,} bytes, and what config.json describes takes at most {largest:,}; "
                f"tell its author at {self._page}"
            )

    def _check_digest(self, file: str, expected: str, found: str, by: str) -> None:
        if expected and found and expected != found:
            raise HubIntegrityError(
                f"{self._what}: {file} has the SHA-256 {redacted(found[:12])}... according to {by}, and "
                f"{expected[:12]}... is expected; tell its author at {self._page}"
            )


def _cache_folder(chosen: str | os.PathLike[str] | None, what: str) -> Path:
    """Return where files are kept; the client would take a home that is not there for a folder named `~`."""
    folder = files.from_home(constants.HF_HUB_CACHE if chosen is None else chosen)
    if str(folder).startswith("~"):
        raise OutputError(
            f"{what}: the cache would be {str(folder)[:200]!r}, and there is no such home; set HOME, or give another "
            "with cache_dir or HF_HUB_CACHE"
        )
    return folder


def is_intact(path: Path, sha256: str) -> bool:
    """Tell whether a file in the cache is what it must be.

    The cache names a file's content after the digest that the Hub gave: SHA-256 for large files, git's for others.

    Args:
        path: The file, as the client gave it.
        sha256: What its SHA-256 must be; empty where that is not known.
    """
    if sha256 and files.sha256(path) != sha256:
        return False
    blob = named_by_content(path)
    if blob is None:
        return True
    if len(blob.name) == 64 and blob.name != sha256:
        return files.sha256(path) == blob.name
    return git_digest(path) == blob.name if COMMIT.fullmatch(blob.name) else True


def named_by_content(path: Path) -> Path | None:
    """Return the file that a cached name points to; None where the cache makes no links."""
    # Not `resolve`: a blob may itself be a link to a store that several repositories share, which has names of its own.
    return path.parent / path.readlink() if path.is_symlink() else None


def _take_the_place(blob: Path, path: Path) -> None:
    """Put what was fetched again where it belongs: without links the client leaves it among the blobs."""
    if not path.is_symlink() and not blob.is_symlink() and blob.is_file():
        blob.replace(path)


def is_same(path: Path, known: RepoFile) -> bool:
    """Tell whether a file is what the Hub says that it has."""
    return files.sha256(path) == known.lfs.sha256 if known.lfs else git_digest(path) == known.blob_id


def git_digest(path: Path) -> str:
    """Return what git calls a file's content: the SHA-1 of its length and bytes."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
