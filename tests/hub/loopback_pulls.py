"""Pull requests of a loopback Hub: opening, reading and merging them."""

from typing import TYPE_CHECKING

from loopback_access import open_repository, signed_in
from loopback_http import HubError, Request, Response
from loopback_storage import Commit, PullRequest, Repository, Store, now

if TYPE_CHECKING:
    from loopback_hub import LoopbackHub


def open_pull(repository: Repository, head: Commit, title: str, description: str, author: str) -> PullRequest:
    """Open a pull request on ``head``; its branch is ``refs/pr/NUMBER``."""
    pull = PullRequest(len(repository.pulls) + 1, title, description, author, head.oid, now())
    repository.pulls[str(pull.number)] = pull
    repository.refs[pull.ref] = head.oid
    return pull


def merge_pull(store: Store, repository: Repository, pull: PullRequest, author: str) -> Commit:
    """Commit to ``main`` what a pull request changes, or refuse what ``main`` has changed too."""
    base, proposed = repository.commits[pull.base].files, repository.commits[repository.refs[pull.ref]].files
    main = repository.commits[repository.refs["refs/heads/main"]]
    files = dict(main.files)
    for path in base.keys() | proposed.keys():
        if base.get(path) == proposed.get(path):
            continue
        if main.files.get(path) not in (base.get(path), proposed.get(path)):
            raise HubError(409, f"This pull request has conflicts in {path}")
        if path in proposed:
            files[path] = proposed[path]
        else:
            files.pop(path, None)
    title = f"{pull.title} (#{pull.number})"
    merged = store.add_commit(repository, "refs/heads/main", main.oid, files, title, pull.description, author)
    pull.status, pull.merge = "merged", merged.oid
    store.save()
    return merged


def _told(repository: Repository, pull: PullRequest) -> dict:
    return {
        "num": pull.number,
        "title": pull.title,
        "author": {"name": pull.author},
        "createdAt": pull.created,
        "status": pull.status,
        "repo": {"name": repository.id, "type": "model"},
        "isPullRequest": True,
    }


def discussions(hub: "LoopbackHub", request: Request, repo: str) -> Response:
    repository = open_repository(hub, request, repo)
    if request.method == "GET":
        found = [_told(repository, pull) for pull in repository.pulls.values()]
        return Response.of({"discussions": found, "count": len(found), "start": 0})
    user, asked = signed_in(hub, request), request.json()
    if not asked.get("pullRequest"):
        raise HubError(400, "This Hub holds pull requests alone")
    head = repository.commits[repository.refs["refs/heads/main"]]
    pull = open_pull(repository, head, asked["title"], asked.get("description") or "", user.name)
    pull.status = "draft"
    hub.store.save()
    return Response.of({"num": pull.number, "url": f"{hub.endpoint}/{repository.id}/discussions/{pull.number}"})


def discussion(hub: "LoopbackHub", request: Request, repo: str, number: str, merge: str | None = None) -> Response:
    """Tell of a pull request, or merge it."""
    repository = open_repository(hub, request, repo, write=bool(merge))
    pull = repository.pulls.get(number)
    if pull is None:
        raise HubError(404, "Discussion not found")
    if merge:
        if pull.status == "merged":
            raise HubError(409, "This pull request is merged already")
        merge_pull(hub.store, repository, pull, signed_in(hub, request).name)
    history = repository.history(repository.commits[repository.refs[pull.ref]])
    made = history[: history.index(repository.commits[pull.base])]
    common = {"createdAt": pull.created, "author": {"name": pull.author}}
    opened = {"edited": False, "hidden": False, "latest": {"raw": pull.description}}
    events: list[dict] = [{"id": "0", "type": "comment", "data": opened, **common}]
    for commit in reversed(made):
        data = {"subject": commit.title, "oid": commit.oid}
        events.append({"id": commit.oid, "type": "commit", "data": data, **common, "createdAt": commit.date})
    if pull.merge:
        events.append({"id": "merged", "type": "status-change", "data": {"status": "merged"}, **common})
    changes = {"base": "refs/heads/main"} | ({"mergeCommitId": pull.merge} if pull.merge else {})
    body = {**_told(repository, pull), "changes": changes, "filesWithConflicts": [], "events": events}
    return Response.of({"newStatus": events[-1]} if merge else body)
