"""How files reach a loopback Hub and leave it: preupload, LFS, commits, resolve and the tokens of xet."""

import base64
import hashlib
import hmac
import json
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from loopback_access import commit_at, current_user, file_at, open_repository, signed_in
from loopback_cards import validate
from loopback_git import ignored, lfs_pointer, lfs_tracked
from loopback_http import HubError, Request, Response
from loopback_pulls import open_pull
from loopback_storage import File, Repository

if TYPE_CHECKING:
    from loopback_hub import LoopbackHub

LFS_ABOVE_BYTES = 10 * 2**20


def _writable(hub: "LoopbackHub", request: Request, repo: str, revision: str) -> Repository:
    """Return a repository that may be pushed to; a pull request is open to everyone who may read."""
    proposal = request.flag("create_pr") or unquote(revision).startswith("refs/pr/")
    repository = open_repository(hub, request, repo, write=not proposal)
    signed_in(hub, request)
    return repository


def preupload(hub: "LoopbackHub", request: Request, repo: str, rev: str) -> Response:
    repository, asked = _writable(hub, request, repo, rev), request.json()
    commit = commit_at(repository, rev)
    if len(asked["files"]) > 256:
        raise HubError(400, "At most 256 files at a time")
    rules = hub.store.gitattributes(commit)
    gitignore = asked.get("gitIgnore")
    if gitignore is None and ".gitignore" in commit.files:
        gitignore = hub.store_bytes(commit.files[".gitignore"]).decode()
    answers = []
    for file in asked["files"]:
        path, there = file["path"], commit.files.get(file["path"])
        lfs = lfs_tracked(rules, path) or file["size"] > LFS_ABOVE_BYTES
        answer = {
            "path": path,
            "uploadMode": "lfs" if lfs else "regular",
            "shouldIgnore": ignored(gitignore or "", path),
        }
        answers.append(answer | ({"oid": there.etag} if there else {}))
    return Response.of({"files": answers, "commitOid": commit.oid})


def _signature(hub: "LoopbackHub", path: str) -> str:
    return hmac.new(hub.secret, path.encode(), hashlib.sha256).hexdigest()


def _signed(hub: "LoopbackHub", path: str) -> str:
    """Return the address of ``path`` on the CDN, which is open to whoever has it."""
    return f"{hub.cdn_endpoint}{path}?X-Amz-Signature={_signature(hub, path)}"


def _check_signature(hub: "LoopbackHub", request: Request) -> None:
    if not hmac.compare_digest(request.query.get("X-Amz-Signature", [""])[0], _signature(hub, request.path)):
        raise HubError(403, "The request signature we calculated does not match the signature you provided.")


def lfs_batch(hub: "LoopbackHub", request: Request, repo: str) -> Response:
    asked = request.json()
    upload = asked["operation"] == "upload"
    if upload:
        signed_in(hub, request)
    repository = open_repository(hub, request, repo, content=not upload)
    reference = (asked.get("ref") or {}).get("name", "main")
    if upload and not reference.startswith("refs/pr/") and repository.private:
        open_repository(hub, request, repo, write=True)
    objects = []
    for entry in asked["objects"]:
        oid, size = entry["oid"], entry["size"]
        if not re.fullmatch("[0-9a-f]{64}", oid):
            raise HubError(400, "Invalid oid")
        answer: dict = {"oid": oid, "size": size, "authenticated": True}
        path = f"/lfs/{oid}"
        if not upload:
            answer["actions"] = {"download": {"href": _signed(hub, path)}}
        elif not hub.has_content(oid):
            verify = {"href": f"{hub.endpoint}/{repository.id}.git/info/lfs/verify"}
            action: dict = {"href": _signed(hub, path)}
            if hub.part_size and size > hub.part_size and "multipart" in asked.get("transfers", []):
                parts = -(-size // hub.part_size)
                header = {str(n): _signed(hub, f"/parts/{oid}/{n}") for n in range(1, parts + 1)}
                action = {
                    "href": _signed(hub, f"/complete/{oid}"),
                    "header": {"chunk_size": str(hub.part_size), **header},
                }
            answer["actions"] = {"upload": action, "verify": verify}
        objects.append(answer)
    multipart = any("header" in entry.get("actions", {}).get("upload", {}) for entry in objects)
    return Response.of({"transfer": "multipart" if multipart else "basic", "objects": objects})


def lfs_verify(hub: "LoopbackHub", request: Request, repo: str) -> Response:
    open_repository(hub, request, repo)
    signed_in(hub, request)
    asked = request.json()
    path = hub.store.lfs_path(asked["oid"])
    if not path.exists():
        raise HubError(404, "Object does not exist")
    if path.stat().st_size != asked["size"]:
        raise HubError(422, "Object has another size")
    return Response.of({})


def _keep_lfs(hub: "LoopbackHub", oid: str, content: bytes) -> None:
    if hashlib.sha256(content).hexdigest() != oid:
        raise HubError(400, "The SHA256 you specified did not match the calculated checksum.")
    hub.store.add_lfs(content)


def put_lfs(hub: "LoopbackHub", request: Request, oid: str) -> Response:
    _check_signature(hub, request)
    _keep_lfs(hub, oid, request.body)
    return Response()


def put_part(hub: "LoopbackHub", request: Request, oid: str, number: str) -> Response:
    _check_signature(hub, request)
    hub.parts.setdefault(oid, {})[int(number)] = request.body
    return Response(headers={"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'})


def complete_parts(hub: "LoopbackHub", request: Request, oid: str) -> Response:
    _check_signature(hub, request)
    parts = hub.parts.pop(oid, {})
    for part in request.json()["parts"]:
        content = parts.get(part["partNumber"])
        if content is None or part["etag"].strip('"') != hashlib.md5(content).hexdigest():
            raise HubError(400, f"Part {part['partNumber']} is missing or another one")
    _keep_lfs(hub, oid, b"".join(content for _, content in sorted(parts.items())))
    return Response.of({})


def get_lfs(hub: "LoopbackHub", request: Request, oid: str) -> Response:
    _check_signature(hub, request)
    if not hub.has_content(oid):
        raise HubError(404, "The specified key does not exist.")
    return _content(request, hub.content(oid), {"ETag": f'"{oid}"', "Content-Type": "application/octet-stream"})


def _content(request: Request, content: bytes, headers: dict[str, str]) -> Response:
    """Return the bytes that the ``Range`` header asks for."""
    headers = {"Accept-Ranges": "bytes", **headers}
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if not asked or not (asked[1] or asked[2]):
        return Response(200, content, headers)
    size = len(content)
    first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
    last = min(size - 1, int(asked[2])) if asked[1] and asked[2] else size - 1
    if first > last:
        return Response(416, b"", {**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Response(206, content[first : last + 1], headers)


def resolve(hub: "LoopbackHub", request: Request, repo: str, rev: str, path: str) -> Response:
    repository = open_repository(hub, request, repo, content=True)
    commit = commit_at(repository, rev)
    file = file_at(commit, path)
    headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{file.etag}"'}
    if file.sha256 is None:
        headers["Content-Type"] = "text/plain; charset=utf-8"
        return _content(request, hub.store.blob(file), headers)
    headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    if file.xet:
        token = f"{hub.endpoint}/api/models/{repository.id}/xet-read-token/{commit.oid}"
        headers |= {"X-Xet-Hash": file.xet, "Link": f'<{token}>; rel="xet-auth"'}
    location = _signed(hub, f"/lfs/{file.sha256}")
    return Response(302, f"Found. Redirecting to {location}".encode(), {**headers, "Location": location})


def raw(hub: "LoopbackHub", request: Request, repo: str, rev: str, path: str) -> Response:
    """Return a file as git has it: an LFS file as its pointer."""
    commit = commit_at(open_repository(hub, request, repo, content=True), rev)
    file = file_at(commit, path)
    content = lfs_pointer(file.sha256, file.size) if file.sha256 else hub.store.blob(file)
    return _content(request, content, {"X-Repo-Commit": commit.oid, "ETag": f'"{file.oid}"'})


def xet_token(hub: "LoopbackHub", request: Request, repo: str, kind: str, rev: str) -> Response:
    if kind == "write":
        _writable(hub, request, repo, rev)
    else:
        commit_at(open_repository(hub, request, repo, content=True), rev)
    expiry = int(time.time()) + 3600
    address, token = f"local://{hub.store.folder / 'xet'}", f"xet_{kind}"
    headers = {
        "X-Xet-Cas-Url": address,
        "X-Xet-Access-Token": token,
        "X-Xet-Token-Expiration": str(expiry),
    }
    return Response.of({"casUrl": address, "accessToken": token, "exp": expiry}, headers=headers)


def _apply(hub: "LoopbackHub", files: dict[str, File], key: str, value: dict) -> None:
    """Carry out one line of a commit on ``files``."""
    path = value["path"]
    if key == "file":
        content = value["content"]
        raw = base64.b64decode(content) if value.get("encoding") == "base64" else content.encode()
        if path == "README.md" and (errors := validate(raw.decode(errors="replace"))[0]):
            raise HubError(400, "; ".join(errors))
        files[path] = hub.store.add_blob(raw)
    elif key == "lfsFile":
        if not hub.has_content(value["oid"]):
            raise HubError(400, f"LFS pointer pointed to a file that does not exist: {value['oid']}")
        files[path] = hub.lfs_file(value["oid"])
    elif key == "deletedFile":
        if path not in files:
            raise HubError(404, f'A file with the name "{path}" does not exist', "EntryNotFound")
        del files[path]
    elif key == "deletedFolder":
        inside = [name for name in files if name.startswith(path.rstrip("/") + "/")]
        if not inside:
            raise HubError(404, f'A folder with the name "{path}" does not exist', "EntryNotFound")
        for name in inside:
            del files[name]
    else:
        raise HubError(400, f"Unknown operation {key!r}")


def commit(hub: "LoopbackHub", request: Request, repo: str, rev: str) -> Response:
    repository = _writable(hub, request, repo, rev)
    user, head = current_user(hub, request), commit_at(repository, rev)
    ref = repository.ref(unquote(rev))
    if not request.flag("create_pr") and (ref is None or ref.startswith("refs/tags/")):
        raise HubError(400, f"{unquote(rev)} is no branch to commit to", "RevisionNotFound")
    header, *operations = [json.loads(line) for line in request.body.splitlines() if line.strip()]
    if header["key"] != "header" or not header["value"].get("summary"):
        raise HubError(400, '"summary" is required')
    parent = header["value"].get("parentCommit")
    if parent and not head.oid.startswith(parent):
        raise HubError(412, "A commit has happened since. Please refresh and try again.")
    files = dict(head.files)
    for operation in operations:
        _apply(hub, files, operation["key"], operation["value"])
    answer: dict = {"success": True}
    value, author = header["value"], user.name if user else ""
    title, message = value["summary"], value.get("description") or ""
    if request.flag("create_pr"):
        pull = open_pull(repository, head, title, message, author)
        ref = pull.ref
        answer["pullRequestUrl"] = f"{hub.endpoint}/{repository.id}/discussions/{pull.number}"
    assert ref is not None
    made = hub.store.add_commit(repository, ref, head.oid, files, title, message, author)
    answer |= {"commitUrl": f"{hub.endpoint}/{repository.id}/commit/{made.oid}", "commitOid": made.oid}
    return Response.of(answer, headers={"X-Repo-Commit": made.oid})
