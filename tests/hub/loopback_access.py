"""Who may do what on a loopback Hub, and what the Hub says to those who may not."""

from typing import TYPE_CHECKING
from urllib.parse import unquote

from loopback_http import HubError, Request
from loopback_storage import Commit, File, Repository, User

if TYPE_CHECKING:
    from loopback_hub import LoopbackHub


def current_user(hub: "LoopbackHub", request: Request) -> User | None:
    """Return whose token the request carries, ``None`` without one; an unknown token is refused."""
    sent = request.headers.get("authorization")
    if sent is None:
        return None
    for user in hub.store.users.values():
        if sent == f"Bearer {user.token}":
            return user
    raise HubError(401, "Invalid credentials in Authorization header")


def signed_in(hub: "LoopbackHub", request: Request) -> User:
    """Return whose token the request carries, or refuse one without a token."""
    user = current_user(hub, request)
    if user is None:
        raise HubError(401, "Invalid username or password.")
    return user


def owns(user: User | None, namespace: str) -> bool:
    return user is not None and namespace in (user.name, *user.orgs)


def may_write(user: User | None, namespace: str) -> bool:
    return user is not None and user.role == "write" and owns(user, namespace)


def open_repository(
    hub: "LoopbackHub", request: Request, repo: str, *, write: bool = False, content: bool = False
) -> Repository:
    """Return a repository that the request may see, write to (``write``), or read the files of (``content``).

    What is private is not told from what is missing, and the gate stands before the files alone.
    """
    user = current_user(hub, request)
    repository = hub.store.repositories.get(unquote(repo))
    if repository is None or (repository.private and not owns(user, repository.namespace)):
        if user is None:
            raise HubError(401, "Invalid username or password.", "RepoNotFound")
        raise HubError(404, "Repository not found", "RepoNotFound")
    if repository.disabled:
        raise HubError(403, "Access to this resource is disabled.")
    if content and repository.gated and not owns(user, repository.namespace):
        if user is None:
            message = f"Access to model {repository.id} is restricted. You must have access to it and be authenticated"
            raise HubError(401, f"{message} to access it. Please log in.", "GatedRepo")
        if user.name not in repository.readers:
            message = f"Access to model {repository.id} is restricted and you are not in the authorized list."
            raise HubError(403, f"{message} Visit {hub.endpoint}/{repository.id} to ask for access.", "GatedRepo")
    if write:
        if user is None:
            raise HubError(401, "Invalid username or password.")
        if user.role != "write":
            raise HubError(403, "Forbidden: you must use a write token to upload to a repository.")
        if not may_write(user, repository.namespace):
            raise HubError(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
    return repository


def commit_at(repository: Repository, revision: str) -> Commit:
    """Return the commit that a quoted revision names."""
    commit = repository.resolve(unquote(revision))
    if commit is None:
        raise HubError(404, f"Invalid rev id: {unquote(revision)}", "RevisionNotFound")
    return commit


def file_at(commit: Commit, path: str) -> File:
    """Return the file at a quoted path."""
    file = commit.files.get(unquote(path))
    if file is None:
        raise HubError(404, "Entry not found", "EntryNotFound", headers={"X-Repo-Commit": commit.oid})
    return file
