"""What no answer may make the client do: write outside its cache, or send the token to another server.

The client makes paths in its cache of what a file's ETag and commit say, and takes the token along to wherever it is
told to ask for access to xet's storage, or to have an upload verified. Neither is looked at there, so it is here.
"""

import re

import httpx2
from huggingface_hub import constants

from ganzoo.registry import COMMIT

CONTENT = re.compile(r'(?:W/)?"?[A-Za-z0-9][A-Za-z0-9_-]{0,127}"?', re.ASCII)
ASKED = re.compile(r"/resolve/([0-9a-f]{40})/")


def is_hub(url: httpx2.URL, endpoint: str) -> bool:
    """Tell whether an address is the Hub's, so that the token may go there.

    Args:
        url: The address.
        endpoint: That of the Hub in use; a mirror may send on to the public one.
    """
    known = (endpoint, constants.ENDPOINT, constants.HUGGINGFACE_CO_URL_HOME)
    return _origin(url) in [_origin(httpx2.URL(each)) for each in known]


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def misleading(response: httpx2.Response, endpoint: str) -> str:
    """Return what is wrong with an answer about a file, in words; empty if nothing is.

    Args:
        response: Any answer of the Hub's; only those about a file say what is looked at here.
        endpoint: The address of the Hub in use.
    """
    path, headers = response.request.url.path, response.headers
    if response.request.method != "HEAD" or "/resolve/" not in path:
        return ""
    commit, asked = headers.get(constants.HUGGINGFACE_HEADER_X_REPO_COMMIT), ASKED.search(path)
    if commit is not None and not (COMMIT.fullmatch(commit) and (asked is None or commit == asked[1])):
        return "it tells of another commit"
    # The client follows redirects to the Hub itself, and takes the ETag of the first other answer.
    is_last = not response.has_redirect_location or not is_hub(response.request.url.join(headers["Location"]), endpoint)
    etag = headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_ETAG) or headers.get("ETag")
    if etag is not None and is_last and not response.is_error and not CONTENT.fullmatch(etag):
        return "its ETag names no content"
    return ""
