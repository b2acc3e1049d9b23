"""The Hub's API on repositories: accounts, creation, information, listings, branches and tags."""

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlencode

from loopback_access import commit_at, current_user, may_write, open_repository, owns, signed_in
from loopback_cards import card_data, safetensors_parameters, validate
from loopback_http import HubError, Request, Response
from loopback_storage import Commit, File, Repository

if TYPE_CHECKING:
    from loopback_hub import LoopbackHub


def whoami(hub: "LoopbackHub", request: Request) -> Response:
    user = signed_in(hub, request)
    return Response.of(
        {
            "type": "user",
            "id": hashlib.sha1(user.name.encode()).hexdigest()[:24],
            "name": user.name,
            "fullname": user.name,
            "orgs": [{"type": "org", "name": org, "roleInOrg": user.role} for org in user.orgs],
            "auth": {"type": "access_token", "accessToken": {"displayName": "loopback", "role": user.role}},
        }
    )


def create_repo(hub: "LoopbackHub", request: Request) -> Response:
    user, asked = signed_in(hub, request), request.json()
    namespace = asked.get("organization") or user.name
    repo_id = f"{namespace}/{asked['name']}"
    if asked.get("type") not in (None, "model"):
        raise HubError(400, "This Hub holds models alone")
    if not may_write(user, namespace):
        raise HubError(403, f'You don\'t have the rights to create a model under the namespace "{namespace}"')
    url = f"{hub.endpoint}/{repo_id}"
    if repo_id in hub.store.repositories:
        return Response.of({"error": "You already created this model repo", "url": url}, 409)
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    hub.store.create(repo_id, private=private)
    return Response.of({"url": url, "name": repo_id, "id": repo_id})


def delete_repo(hub: "LoopbackHub", request: Request) -> Response:
    user, asked = signed_in(hub, request), request.json()
    repository = open_repository(hub, request, f"{asked.get('organization') or user.name}/{asked['name']}", write=True)
    del hub.store.repositories[repository.id]
    hub.store.save()
    return Response.of({})


def move_repo(hub: "LoopbackHub", request: Request) -> Response:
    user, asked = signed_in(hub, request), request.json()
    old, new = asked["fromRepo"], asked["toRepo"]
    open_repository(hub, request, old, write=True)
    if not may_write(user, new.split("/")[0]):
        raise HubError(403, f'You don\'t have the rights to move a model to the namespace "{new.split("/")[0]}"')
    if new in hub.store.repositories:
        raise HubError(409, f"{new} exists")
    hub.store.rename(old, new)
    return Response.of({"url": f"{hub.endpoint}/{new}"})


def settings(hub: "LoopbackHub", request: Request, repo: str) -> Response:
    repository, asked = open_repository(hub, request, repo, write=True), request.json()
    if "gated" in asked:
        repository.gated = asked["gated"]
    if "private" in asked or "visibility" in asked:
        repository.private = asked.get("visibility") == "private" or bool(asked.get("private"))
    hub.store.save()
    return Response.of({"gated": repository.gated, "private": repository.private})


def validate_yaml(hub: "LoopbackHub", request: Request) -> Response:
    errors, warnings = validate(request.json()["content"])
    body = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return Response.of(body, 400 if errors else 200)


def auth_check(hub: "LoopbackHub", request: Request, repo: str, write: str | None = None) -> Response:
    open_repository(hub, request, repo, content=True, write=bool(write))
    return Response.of({})


def agent_harnesses(hub: "LoopbackHub", request: Request) -> Response:
    return Response.of({"standardEnvVars": [], "harnesses": {}})


def _information(hub: "LoopbackHub", repository: Repository, commit: Commit) -> dict:
    """Return everything that is known of a model at one commit."""
    card = commit.files.get("README.md")
    data = card_data(hub.store_bytes(card).decode(errors="replace")) if card else {}
    tags = [*data.get("tags", []), *([f"license:{data['license']}"] if isinstance(data.get("license"), str) else [])]
    for name in ("library_name", "pipeline_tag"):
        if data.get(name) and data[name] not in tags:
            tags.insert(0, data[name])
    information = {
        "_id": hashlib.sha1(repository.id.encode()).hexdigest()[:24],
        "id": repository.id,
        "modelId": repository.id,
        "author": repository.namespace,
        "sha": commit.oid,
        "lastModified": commit.date,
        "createdAt": repository.created,
        "private": repository.private,
        "gated": repository.gated,
        "disabled": repository.disabled,
        "downloads": 0,
        "likes": 0,
        "tags": tags,
        "cardData": data,
        "siblings": [{"rfilename": path} for path in sorted(commit.files)],
        "usedStorage": sum(file.size for file in commit.files.values() if file.sha256),
    }
    information |= {name: data[name] for name in ("library_name", "pipeline_tag", "model-index") if name in data}
    weights = commit.files.get("model.safetensors")
    if weights:
        try:
            parameters = safetensors_parameters(hub.store_bytes(weights))
        except (ValueError, KeyError, TypeError, AttributeError):
            return information  # what is no safetensors file has no parameters to tell
        information["safetensors"] = {"parameters": parameters, "total": sum(parameters.values())}
    return information


def model_info(hub: "LoopbackHub", request: Request, repo: str, rev: str = "main") -> Response:
    repository = open_repository(hub, request, repo)
    commit = commit_at(repository, rev)
    information = _information(hub, repository, commit)
    if request.flag("blobs"):
        for sibling in information["siblings"]:
            file = commit.files[sibling["rfilename"]]
            sibling |= {"size": file.size, "blobId": file.oid}
            if file.sha256:
                sibling["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    if expand := request.query.get("expand", []) + request.query.get("expand[]", []):
        information = {name: information.get(name) for name in ("_id", "id", *expand) if name in information}
    return Response.of(information, headers={"X-Repo-Commit": commit.oid})


def list_models(hub: "LoopbackHub", request: Request) -> Response:
    user, query, found = current_user(hub, request), request.query, []
    for repository in hub.store.repositories.values():
        commit = repository.resolve("main")
        if commit is None or repository.disabled or (repository.private and not owns(user, repository.namespace)):
            continue
        information = _information(hub, repository, commit)
        wanted = {*query.get("filter", []), *query.get("pipeline_tag", [])}
        if repository.namespace not in query.get("author", [repository.namespace]):
            continue
        if wanted <= set(information["tags"]) and query.get("search", [""])[0].lower() in repository.id.lower():
            full = request.flag("full") or request.flag("cardData")
            found.append(information if full else {k: v for k, v in information.items() if k not in HEAVY})
    return Response.of(found[: int(query.get("limit", [len(found)])[0])])


HEAVY = ("cardData", "siblings", "usedStorage", "model-index", "safetensors")


def _entry(repository: Repository, commit: Commit, path: str, file: File, expand: bool) -> dict:
    entry: dict = {"type": "file", "path": path, "size": file.size, "oid": file.oid}
    if file.sha256:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    if file.xet:
        entry["xetHash"] = file.xet
    if expand:
        last = repository.last_change(commit, path)
        entry["lastCommit"] = {"id": last.oid, "title": last.title, "date": last.date}
    return entry


def _folders(commit: Commit) -> dict[str, str]:
    """Return every folder of a commit with a name for its content."""
    content: dict[str, list[str]] = {}
    for path, file in sorted(commit.files.items()):
        parts = path.split("/")
        for end in range(1, len(parts)):
            content.setdefault("/".join(parts[:end]), []).append(f"{path} {file.oid}")
    return {folder: hashlib.sha1("\n".join(lines).encode()).hexdigest() for folder, lines in content.items()}


def tree(hub: "LoopbackHub", request: Request, repo: str, rev: str, path: str = "") -> Response:
    repository = open_repository(hub, request, repo)
    commit = commit_at(repository, rev)
    folder, folders, expand = unquote(path).strip("/"), _folders(commit), request.flag("expand")
    if folder and folder not in folders:
        raise HubError(404, f"{folder} does not exist on {unquote(rev)}", "EntryNotFound")
    entries: list[dict] = [{"type": "directory", "path": name, "size": 0, "oid": oid} for name, oid in folders.items()]
    entries += [_entry(repository, commit, name, file, expand) for name, file in commit.files.items()]
    inside = [entry for entry in entries if not folder or entry["path"].startswith(folder + "/")]
    if not request.flag("recursive"):
        inside = [entry for entry in inside if "/" not in entry["path"][len(folder) + bool(folder) :]]
    inside.sort(key=lambda entry: entry["path"])
    size = min(hub.page_size, int(request.query.get("limit", [hub.page_size])[0]))
    return _page(hub, request, inside, size)


def _page(hub: "LoopbackHub", request: Request, entries: list[dict], size: int) -> Response:
    """Return one page of a listing, and in its ``Link`` header where the next one is."""
    start = int(request.query.get("cursor", ["0"])[-1])
    headers = {}
    if start + size < len(entries):
        query = {**request.query, "cursor": [str(start + size)]}
        headers["Link"] = f'<{hub.endpoint}{request.path}?{urlencode(query, doseq=True)}>; rel="next"'
    return Response.of(entries[start : start + size], headers=headers)


def paths_info(hub: "LoopbackHub", request: Request, repo: str, rev: str) -> Response:
    repository = open_repository(hub, request, repo)
    commit = commit_at(repository, rev)
    if "json" in request.headers.get("content-type", ""):
        asked = request.json()
        paths, expand = asked["paths"], bool(asked.get("expand"))
    else:
        form = parse_qs(request.body.decode())
        paths, expand = form.get("paths", []), form.get("expand", [""])[0].lower() in ("1", "true")
    folders, entries = _folders(commit), []
    for path in paths:
        if path in commit.files:
            entries.append(_entry(repository, commit, path, commit.files[path], expand))
        elif path in folders:
            entries.append({"type": "directory", "path": path, "size": 0, "oid": folders[path]})
    return Response.of(entries)


def commits(hub: "LoopbackHub", request: Request, repo: str, rev: str) -> Response:
    repository = open_repository(hub, request, repo)
    entries = [
        {
            "id": commit.oid,
            "title": commit.title,
            "message": commit.message,
            "authors": [{"user": commit.author}],
            "date": commit.date,
        }
        for commit in repository.history(commit_at(repository, rev))
    ]
    return _page(hub, request, entries, hub.page_size)


def refs(hub: "LoopbackHub", request: Request, repo: str) -> Response:
    repository = open_repository(hub, request, repo)
    groups: dict[str, list[dict]] = {"branches": [], "converts": [], "tags": []}
    if request.flag("include_prs"):
        groups["pullRequests"] = []
    kinds = {"refs/heads/": "branches", "refs/tags/": "tags", "refs/pr/": "pullRequests"}
    for ref, oid in repository.refs.items():
        for prefix, group in kinds.items():
            if ref.startswith(prefix) and group in groups:
                name = ref.removeprefix("refs/pr/" if group == "pullRequests" else prefix)
                groups[group].append({"name": name, "ref": ref, "targetCommit": oid})
    return Response.of(groups)


def branch(hub: "LoopbackHub", request: Request, repo: str, name: str) -> Response:
    repository = open_repository(hub, request, repo, write=True)
    ref = f"refs/heads/{unquote(name)}"
    if request.method == "DELETE":
        if unquote(name) == "main" or ref not in repository.refs:
            raise HubError(400, f"Cannot delete branch {unquote(name)}")
        del repository.refs[ref]
    elif ref in repository.refs:
        raise HubError(409, f"Reference already exists: {ref}")
    else:
        repository.refs[ref] = commit_at(repository, request.json().get("startingPoint") or "main").oid
    hub.store.save()
    return Response.of({})


def tag(hub: "LoopbackHub", request: Request, repo: str, name: str) -> Response:
    """Add the tag of the body to the revision ``name``, or delete the tag ``name``."""
    repository = open_repository(hub, request, repo, write=True)
    if request.method == "DELETE":
        if repository.refs.pop(f"refs/tags/{unquote(name)}", None) is None:
            raise HubError(404, f"Tag {unquote(name)} does not exist", "RevisionNotFound")
    else:
        ref = f"refs/tags/{request.json()['tag']}"
        if ref in repository.refs:
            raise HubError(409, f"Tag reference exists already: {ref}")
        repository.refs[ref] = commit_at(repository, name).oid
    hub.store.save()
    return Response.of({})
