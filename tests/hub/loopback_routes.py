"""Which function of a loopback Hub answers which request."""

import re
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

import loopback_api as api
import loopback_pulls as pulls
import loopback_transfer as transfer
from loopback_http import HubError, Request, Response

if TYPE_CHECKING:
    from loopback_hub import LoopbackHub

Route = tuple[str, str, Callable[..., Response]]
MODEL = r"/api/models/(?P<repo>[^/]+/[^/]+)"
GIT = r"/(?P<repo>[^/]+/[^/]+)\.git/info/lfs"
SHA256 = r"(?P<oid>[0-9a-f]{64})"
REV = r"(?P<rev>refs/[^/]+/[^/]+|[^/]+)"
HUB_ROUTES: list[Route] = [
    ("GET", "/api/whoami-v2", api.whoami),
    ("GET", "/api/agent-harnesses", api.agent_harnesses),
    ("POST", "/api/repos/create", api.create_repo),
    ("DELETE", "/api/repos/delete", api.delete_repo),
    ("POST", "/api/repos/move", api.move_repo),
    ("POST", "/api/validate-yaml", api.validate_yaml),
    ("GET", "/api/models", api.list_models),
    ("GET HEAD", MODEL, api.model_info),
    ("GET HEAD", f"{MODEL}/revision/{REV}", api.model_info),
    ("GET", f"{MODEL}/tree/{REV}(?:/(?P<path>.*))?", api.tree),
    ("POST", f"{MODEL}/paths-info/{REV}", api.paths_info),
    ("GET", f"{MODEL}/commits/{REV}", api.commits),
    ("GET", f"{MODEL}/refs", api.refs),
    ("POST DELETE", f"{MODEL}/branch/(?P<name>.+)", api.branch),
    ("POST DELETE", f"{MODEL}/tag/(?P<name>.+)", api.tag),
    ("PUT", f"{MODEL}/settings", api.settings),
    ("GET POST", f"{MODEL}/discussions", pulls.discussions),
    ("GET", f"{MODEL}/discussions/(?P<number>[0-9]+)", pulls.discussion),
    ("POST", f"{MODEL}/discussions/(?P<number>[0-9]+)(?P<merge>/merge)", pulls.discussion),
    ("GET", f"{MODEL}/auth-check(?P<write>/write)?", api.auth_check),
    ("POST", f"{MODEL}/preupload/{REV}", transfer.preupload),
    ("POST", f"{MODEL}/commit/{REV}", transfer.commit),
    ("GET", f"{MODEL}/xet-(?P<kind>read|write)-token/{REV}", transfer.xet_token),
    ("POST", f"{GIT}/objects/batch", transfer.lfs_batch),
    ("POST", f"{GIT}/verify", transfer.lfs_verify),
    ("GET HEAD", f"/(?P<repo>[^/]+/[^/]+)/resolve/{REV}/(?P<path>.+)", transfer.resolve),
    ("GET HEAD", f"/(?P<repo>[^/]+/[^/]+)/raw/{REV}/(?P<path>.+)", transfer.raw),
]
CDN_ROUTES: list[Route] = [
    ("GET HEAD", f"/lfs/{SHA256}", transfer.get_lfs),
    ("PUT", f"/lfs/{SHA256}", transfer.put_lfs),
    ("PUT", f"/parts/{SHA256}/(?P<number>[0-9]+)", transfer.put_part),
    ("POST", f"/complete/{SHA256}", transfer.complete_parts),
]


def perform(hub: "LoopbackHub", request: Request) -> Response:
    """Carry a request out and return the answer; a fault of the Hub itself is a 500 that tells the traceback."""
    known = False
    try:
        for methods, pattern, function in HUB_ROUTES if request.origin == "hub" else CDN_ROUTES:
            if found := re.fullmatch(pattern, request.path):
                known = True
                if request.method in methods.split():
                    values = {name: value for name, value in found.groupdict().items() if value is not None}
                    with hub.store.lock:
                        if new_id := hub.store.renamed.get(values.get("repo", "")):
                            location = request.target.replace(values["repo"], new_id, 1)
                            return Response(307, b"", {"Location": location})
                        return function(hub, request, **values)
        raise HubError(405 if known else 404, "Sorry, we can't find the page you are looking for.")
    except HubError as refusal:
        return refusal.response
    except Exception:
        return HubError(500, traceback.format_exc().replace("\n", " | ")).response
