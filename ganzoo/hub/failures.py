"""What went wrong at the Hub, in one sentence with the next step.

The client raises some twenty kinds of errors, several of them for one and the same cause (a server that is down is an
`httpx2.ConnectError` here and a `LocalEntryNotFoundError` there); the cause is found by walking the chain of causes.
"""

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)

from ganzoo.errors import (
    GanzooError,
    HubAccessError,
    HubConflictError,
    HubError,
    HubIntegrityError,
    HubNotFoundError,
    HubUnreachableError,
    OutputError,
)

MISREAD = (
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    NameError,
)  # of a client that met other JSON than the Hub's
RAISED = (
    *(httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, RuntimeError),
    *(EntryNotFoundError, RevisionResolutionError, *MISREAD),
)
FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Tokens, signed addresses, and the names and passwords in addresses.
SECRET = re.compile(r"hf_\w{4,}|(?<=Bearer )[^\s'\"]+|(?<=\?)[^\s'\"]*=[^\s'\"]*|(?<=://)[^/?#\s]+(?=@)")
USERINFO = re.compile(r"(?<=://)[^/?#\s]+@")


@contextmanager
def explaining(what: str, repository: str, token: str | bool | None = None) -> Iterator[None]:
    """Raise whatever the client raises as one of ganzoo's errors, with the cause kept.

    Args:
        what: What fails, in words, with the repository and the revision.
        repository: The repository's page.
        token: The token in use, which no message may show.

    Raises:
        HubError: Something went wrong at the Hub or on the way there.
        OutputError: The cache cannot be written.
    """
    try:
        yield
    except GanzooError:
        raise
    except RAISED as error:
        secret = token if isinstance(token, str) else ""
        for each in causes(error):
            each.args = tuple(redacted(part, secret) if isinstance(part, str | bytes) else part for part in each.args)
        raise explained(error, what, repository) from error


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what caused it, and so on."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def redacted(text: str | bytes, secret: str = "") -> str:
    """Return a text without tokens, the signatures and passwords of addresses, and what would move a terminal."""
    text = text if isinstance(text, str) else text.decode(errors="replace")
    text = SECRET.sub("***", text.replace(secret, "***") if secret else text)
    return "".join(each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text)


def shown(address: str) -> str:
    """Return an address as messages show it: as `redacted`, and without the name and password before its host."""
    return redacted(USERINFO.sub("", address, count=1))


def explained(error: Exception, what: str, repository: str) -> GanzooError:
    """Return the error that says what an error of the client's means."""
    chain = list(causes(error))
    for kind, describe in _TABLE:
        for each in chain:
            if isinstance(each, kind) and (found := describe(each, repository)) is not None:
                result, sentence = found
                return result(f"{what}: {sentence}")
    for each in chain:
        if isinstance(each, GanzooError):
            return each
    told = " ".join(str(error).split())[:200]
    return HubError(f"{what}: {type(error).__name__}: {told}; try again, and see --debug for where it happened")


_Said = tuple[type[GanzooError], str] | None

_LOGIN = "log in with `hf auth login`"


def _gated(error: Any, repository: str) -> _Said:
    return HubAccessError, f"its authors let in only whom they accepted; accept the terms at {repository}, and {_LOGIN}"


def _disabled(error: Any, repository: str) -> _Said:
    return HubAccessError, f"the repository was disabled on the Hub; ask its owner at {repository}"


def _no_repository(error: Any, repository: str) -> _Said:
    return HubNotFoundError, (
        f"there is no such repository, or it is private and you may not see it; check the name, and {_LOGIN} if it is "
        "private"
    )


def _no_revision(error: Any, repository: str) -> _Said:
    return HubNotFoundError, f"the repository has no such branch, tag or commit; see {repository}/refs"


def _no_file(error: Any, repository: str) -> _Said:
    return HubNotFoundError, f"the repository lacks a file that a ganzoo model has; see {repository}/tree/main"


def _offline(error: Any, repository: str) -> _Said:
    return HubUnreachableError, (
        "this machine is set to be offline (HF_HUB_OFFLINE), and the cache does not have it; unset HF_HUB_OFFLINE, or "
        "copy a cache that has it"
    )


def _not_the_hub(error: Any, repository: str) -> _Said:
    return HubUnreachableError, (
        "what answered is not the Hugging Face Hub; log in to the network if it asks for that, and check "
        "HF_ENDPOINT and HTTPS_PROXY"
    )


def _answered(error: Any, repository: str) -> _Said:
    told = f" ({redacted(' '.join(error.server_message.split()))[:200]})" if error.server_message else ""
    path = error.response.request.url.path
    if error.response.status_code == 404 and "/resolve/" not in path and "/api/" not in path:
        return (
            HubNotFoundError,
            f"the Hub's storage lacks a file that the repository has; tell its author at {repository}",
        )
    return _by_status(error.response.status_code, told, repository)


def _by_status(status: int, told: str, repository: str) -> _Said:
    if status == 401:
        return HubAccessError, f"the token is not valid{told}; {_LOGIN}, or pass another token"
    if status == 403:
        return HubAccessError, (
            f"this is forbidden{told}; {_LOGIN} with a token that has the permission (for a push: write), or use a "
            "repository of your own"
        )
    if status == 404:
        return _no_repository(None, repository)
    if status in (409, 412):
        return (
            HubConflictError,
            f"somebody else changed the repository meanwhile{told}; look at {repository}, push again",
        )
    if status == 429:
        return HubUnreachableError, f"the Hub's rate limit is reached{told}; wait some minutes, or {_LOGIN}"
    if status >= 500 or status == 408:
        return HubUnreachableError, f"the Hub answers {status}{told}; try again later, or set HF_ENDPOINT to a mirror"
    return HubError, f"the Hub refuses the request with {status}{told}; see {repository}"


def _proxy(error: Any, repository: str) -> _Said:
    return HubUnreachableError, "the proxy cannot be reached or refuses; check HTTPS_PROXY and NO_PROXY"


def _storage(error: Any, repository: str) -> _Said:
    """Xet's library says in words alone what it was answered."""
    found = re.search(r"HTTP status (?:client|server) error \((\d{3})", str(error))
    return _by_status(int(found[1]), "", repository) if found else _no_connection(error, repository)


def _no_connection(error: Any, repository: str) -> _Said:
    told = redacted(" ".join(str(error).split()))[:120] or type(error).__name__
    return HubUnreachableError, (
        f"the Hub cannot be reached ({told}); go online, or set HF_ENDPOINT to a mirror that can be reached"
    )


def _not_cached(error: Any, repository: str) -> _Said:
    return HubUnreachableError, "the cache does not have it; load it once without local_files_only"


def _full_for_xet(error: Any, repository: str) -> _Said:
    """Xet's library says in words alone that it could not write."""
    found = re.search(r"\(os error (\d{1,3})\)", str(error))
    if found is None or int(found[1]) not in FULL_DISK:
        return None
    return OutputError, (
        f"the disk is full ({os.strerror(int(found[1]))}); free some space, or give another cache with cache_dir or "
        "HF_HUB_CACHE"
    )


def _on_disk(error: Any, repository: str) -> _Said:
    if error.errno in FULL_DISK:
        return OutputError, (
            f"the disk is full ({error.strerror}: {str(error.filename)[:200]!r}); free some space, or give another "
            "cache with cache_dir or HF_HUB_CACHE"
        )
    if error.errno is not None and error.filename is not None:
        return OutputError, (
            f"the cache cannot be used ({error.strerror}: {str(error.filename)[:200]!r}); give another with cache_dir "
            "or HF_HUB_CACHE"
        )
    if "Consistency check failed" in str(error):
        return HubIntegrityError, "a file came with another size than announced; try again"
    if type(error).__module__ == "hf_xet":
        return HubUnreachableError, (
            f"the Hub's storage refuses ({' '.join(str(error).split())[:120]}); try again, or without it: "
            "HF_HUB_DISABLE_XET=1"
        )
    return None


def _bad_card(error: Any, repository: str) -> _Said:
    if "Invalid metadata in README.md" not in str(error):
        return None
    told = redacted(" ".join(str(error).split()))[:300]
    return HubError, f"the Hub refuses the model card ({told}); mend README.md"


def _no_token(error: Any, repository: str) -> _Said:
    return HubAccessError, f"there is no token on this machine; {_LOGIN}"


def _bad_token(error: Any, repository: str) -> _Said:
    if isinstance(error, UnicodeEncodeError) and error.encoding != "ascii":
        return None
    return HubAccessError, f"the token holds characters that cannot be sent; {_LOGIN}, or set HF_TOKEN anew"


def _bad_name(error: Any, repository: str) -> _Said:
    return HubError, f"the Hub knows no such names ({' '.join(str(error).split())[:200]}); use ORG/NAME"


# The first kind that is in the chain decides, so what is more particular comes first.
_TABLE = (
    (Exception, _full_for_xet),
    (ValueError, _bad_card),
    (GatedRepoError, _gated),
    (DisabledRepoError, _disabled),
    (RepositoryNotFoundError, _no_repository),
    (RevisionNotFoundError, _no_revision),
    (RemoteEntryNotFoundError, _no_file),
    (OfflineModeIsEnabled, _offline),
    (FileMetadataError, _not_the_hub),
    (json.JSONDecodeError, _not_the_hub),
    (HfHubHTTPError, _answered),
    (httpx2.ProxyError, _proxy),
    (UnicodeEncodeError, _bad_token),  # in a header, which is ASCII
    (httpx2.LocalProtocolError, _bad_token),
    (httpx2.TransportError, _no_connection),
    (HFValidationError, _bad_name),
    (LocalTokenNotFoundError, _no_token),
    (ConnectionError, _storage),
    (LocalEntryNotFoundError, _not_cached),
    (RevisionResolutionError, _not_cached),
    (OSError, _on_disk),
    (MISREAD, _not_the_hub),
)
