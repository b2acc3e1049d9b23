"""The time that a call may take of the Hub: a total limit, whatever the Hub, the network or the client's retries do."""

import contextvars
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx2
from huggingface_hub import get_session
from huggingface_hub.utils._http import parse_ratelimit_headers

from ganzoo.errors import ConfigError, HubUnreachableError
from ganzoo.hub.answers import is_hub, misleading

T = TypeVar("T")

VARIABLE = "GANZOO_HUB_TIMEOUT"
SECONDS = 120.0
BYTES_PER_SECOND = 1e6  # a transfer is given this much longer for its size
BUSY = (408, 429, 500, 502, 503, 504)
TRIES = 4
PAUSE = 0.5  # seconds before the second try; doubled each time

_current: contextvars.ContextVar["Limit | None"] = contextvars.ContextVar("ganzoo_hub_limit", default=None)


class Limit:
    """A total time limit on one load or push.

    Args:
        what: What it limits, for messages, such as "cannot load 'hf-hub:org/name'".
        endpoint: The Hub's address, which alone the token may go to.

    Raises:
        ConfigError: `GANZOO_HUB_TIMEOUT` is no positive number.
    """

    def __init__(self, what: str, endpoint: str) -> None:
        self.what, self.endpoint = what, endpoint
        self.authorization = ""  # what the Hub was sent
        self.seconds = _seconds()
        self._end = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """The seconds that are left; negative when the time is over."""
        return self._end - time.monotonic()

    def allow(self, size: int) -> None:
        """Give a transfer of so many bytes more time: a second for each megabyte."""
        self.seconds += size / BYTES_PER_SECOND
        self._end += size / BYTES_PER_SECOND

    def run(self, call: Callable[[], T], most: float | None = None) -> T:
        """Return what a call returns, or raise what it raises, within the time that is left.

        The client waits as long as a server tells it to, and resolving a name cannot be interrupted, so the call has a
        thread of its own, which is left behind when the time is over.

        Args:
            call: What to call.
            most: At most so many seconds.

        Raises:
            HubUnreachableError: The time is over.
        """
        outcome: list[T] = []
        failure: list[BaseException] = []

        def work() -> None:
            _current.set(self)
            _watch()
            try:
                outcome.append(call())
            except BaseException as error:
                failure.append(error)

        seconds = self.left if most is None else min(self.left, most)
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
        thread.start()
        thread.join(max(seconds, 0))
        if failure:
            raise failure[0]
        if not outcome:
            raise self.over(most)
        return outcome[0]

    def over(self, patience: float | None = None) -> HubUnreachableError:
        """Make the error for a time that is over.

        Args:
            patience: How many seconds there were, if it was not the limit that ended them.
        """
        if patience is not None and self.left > 0:
            return HubUnreachableError(f"{self.what}: the Hugging Face Hub did not answer within {patience:g} s")
        return HubUnreachableError(
            f"{self.what}: the Hugging Face Hub did not finish within {self.seconds:.0f} s; check the connection, or "
            f"give it more time: {VARIABLE}=600"
        )

    def misled(self, reason: str) -> HubUnreachableError:
        """Make the error for an answer that misleads."""
        return HubUnreachableError(
            f"{self.what}: what answered is not the Hugging Face Hub ({reason}); check HF_ENDPOINT and HTTPS_PROXY"
        )

    def retry(self, call: Callable[[], T]) -> T:
        """Run a call, and again when the connection broke or a server failed in a way that passes."""
        pause = PAUSE
        for tries_left in reversed(range(TRIES)):
            try:
                return self.run(call)
            except (httpx2.TransportError, OSError) as error:
                response = getattr(error, "response", None)
                wait = max(pause, (response is not None and _asked_to_wait(response)) or 0)
                if not tries_left or not passes(error) or self.left <= wait:
                    raise
            time.sleep(wait)
            pause *= 2
        raise self.over()


def passes(error: Exception) -> bool:
    """Tell whether a failure may be gone at the next try: a broken connection, or a storage server that refused."""
    response = getattr(error, "response", None)
    if response is not None:
        # A storage server answers 403 when the address that the Hub gave has expired; the Hub then gives a new one.
        is_storage = "/resolve/" not in response.url.path and "/api/" not in response.url.path
        return response.status_code in BUSY or (response.status_code == 403 and is_storage)
    if isinstance(error, httpx2.TransportError):
        return not isinstance(error, httpx2.ProxyError | httpx2.UnsupportedProtocol | httpx2.LocalProtocolError)
    return "Consistency check failed" in str(error)  # a plain OSError: less came than was announced


def _seconds() -> float:
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text or SECONDS)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise ConfigError(f"{VARIABLE} is {text!r}; it takes a positive number of seconds, such as 120")
    return seconds


def _watch() -> None:
    """Have the client's session tell us of every request and answer; it makes a new session after some failures."""
    session = get_session()
    hooks: dict[str, list[Callable[..., Any]]] = session.event_hooks
    if _look_at not in hooks["response"]:
        session.event_hooks = {
            "request": [*hooks["request"], _check],
            "response": [*hooks["response"], _look_at],
        }


def _check(request: httpx2.Request) -> None:
    """End a call that takes the token elsewhere, or whose time is over and which nobody waits for any more."""
    limit = _current.get()
    if limit is None:
        return
    if limit.left <= 0:
        raise limit.over()
    sent = request.headers.get("Authorization", "")
    if is_hub(request.url, limit.endpoint):
        limit.authorization = sent
    elif sent and sent == limit.authorization:
        raise limit.misled("it has the token sent to another server")


def _look_at(response: httpx2.Response) -> None:
    """End a call whose server misleads, or asks for more patience than there is, before the client does as it says."""
    limit = _current.get()
    if limit is None:  # somebody else's request
        return
    if reason := misleading(response, limit.endpoint):
        raise limit.misled(reason)
    asked = _asked_to_wait(response)
    if asked is not None and asked >= limit.left:
        raise HubUnreachableError(
            f"{limit.what}: the Hugging Face Hub is rate limited or busy, and asks to wait {asked} s ({limit.left:.0f} "
            f"s are left of the limit of {limit.seconds:.0f} s); try again later, log in with `hf auth login` for a "
            f"higher rate, or set {VARIABLE}"
        )


def _asked_to_wait(response: httpx2.Response) -> int | None:
    if response.status_code not in BUSY:
        return None
    rate = parse_ratelimit_headers(response.headers)
    if response.status_code == 429 and rate is not None and rate.remaining == 0:
        return rate.reset_in_seconds
    after = response.headers.get("Retry-After", "").strip()
    return int(after) if after.isascii() and after.isdigit() and len(after) < 12 else None
