"""Rules that make a loopback Hub misbehave: which requests, how often, and in what way."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from loopback_http import Request, Response


@dataclass
class Fault:
    """One rule. ``match`` is a regular expression that has to fit the whole of ``"METHOD /path?query"``.

    A rule with a ``status`` or a ``body``, and a ``reset`` without ``cut``, answers instead of the Hub: the request has
    no effect, unless ``perform`` is true (a commit that landed and was answered with 500). The others send the Hub's
    own answer, damaged. A request meets the first rule that is for it and active; all that are for it count it as seen.

    Args:
        match: the requests that the rule is for.
        times: how many of them meet it; ``None`` is all.
        skip: how many of them pass before it begins.
        origin: ``"hub"`` or ``"cdn"`` for one of the two servers, ``None`` for both.
        status: the status to answer with.
        headers: headers of the answer, beside or in place of its own.
        body: the body of the answer; one that begins with ``<`` is sent as HTML.
        retry_after: seconds for a ``Retry-After`` header; the status is 429 unless one is given.
        cut: send this many bytes of the body (the full ``Content-Length`` stands in the headers), then close.
        reset: end the connection by a TCP reset, after ``cut`` bytes of the body or before any answer.
        flip: the position in the body at which one byte is inverted; the size stays.
        delay: seconds before the answer.
        action: called with the request after it has been performed and before it is answered.
        perform: whether the Hub carries the request out.
    """

    match: str
    times: int | None = 1
    skip: int = 0
    origin: str | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    retry_after: float | None = None
    cut: int | None = None
    reset: bool = False
    flip: int | None = None
    delay: float = 0.0
    action: Callable[[Request], object] | None = None
    perform: bool | None = None
    seen: int = field(default=0, init=False)
    hits: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.retry_after is not None:
            self.headers = {"Retry-After": f"{self.retry_after:g}", **self.headers}
            self.status = self.status or 429
        if self.body is not None:
            self.status = self.status or 200
        if self.perform is None:
            self.perform = self.status is None and (not self.reset or self.cut is not None)

    def fits(self, request: Request) -> bool:
        """Return whether the request is one that the rule is for, and count it as seen."""
        fits = self.origin in (None, request.origin)
        fits = fits and re.fullmatch(self.match, f"{request.method} {request.target}") is not None
        self.seen += fits
        return fits

    @property
    def active(self) -> bool:
        """Whether the request that was just seen meets the rule."""
        return self.seen > self.skip and (self.times is None or self.hits < self.times)

    def answer(self, response: Response | None) -> Response:
        """Return what to send in place of ``response``, which is ``None`` when the request was not performed."""
        if self.status is not None or response is None:
            body = self.body.encode() if isinstance(self.body, str) else self.body or b""
            kind = "text/html; charset=utf-8" if body.lstrip().startswith(b"<") else "application/json"
            response = Response(self.status or 200, body, {"Content-Type": kind})
        body = response.body
        if self.flip is not None and body:
            place = self.flip % len(body)
            body = body[:place] + bytes([body[place] ^ 0xFF]) + body[place + 1 :]
        return Response(response.status, body, {**response.headers, **self.headers})


def first_met(faults: list[Fault], request: Request) -> Fault | None:
    """Return the rule that a request meets and count the hit. Not thread-safe: the caller holds a lock."""
    met = next((fault for fault in [fault for fault in faults if fault.fits(request)] if fault.active), None)
    if met is not None:
        met.hits += 1
    return met
