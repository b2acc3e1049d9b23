"""Ways in which a transfer from the Hub goes wrong, drawn at random: what answers, how often, and where it strikes."""

import random
from pathlib import Path

MODEL = "someone/ring"
TIMES = [1, 1, 1, 2, 3, 5, None]
INFORMATION, CONFIG, HEADS = "GET /api/models/.*", "GET .*/resolve/.*/config.json", "HEAD .*"
WEIGHTS = {"lfs": "GET /lfs/.*", "xet": "GET .*/xet-read-token/.*"}
STATUS = [500, 502, 503, 504, 429, 408, 400, 401, 403, 404, 409, 410, 416, 418, 451]
BODIES = [None, "<html>busy</html>", b"\xff\xfe", "[]", "null", '{"error": "busy"}', "{"]


class Transfers:
    """A loopback Hub's model with two commits, and what strikes the next load of it.

    Args:
        account: Whose Hub it is; `account.xet` tells how files travel.
        first: The commit that `main` is at.
        second: The commit that it moves to.
        size: How many bytes the weights have.
    """

    def __init__(self, account, first, second, size):
        self.account, self.hub, self.first, self.second, self.size = account, account.hub, first, second, size
        self.weights = WEIGHTS["xet" if account.xet else "lfs"]
        self.kept: dict[Path, bytes] = {}
        self.requests = [INFORMATION, "POST .*/paths-info/.*", HEADS, CONFIG, self.weights, self.weights, ".*"]

    def reset(self):
        """End every fault, and let the model be as it was."""
        self.hub.faults.clear()
        for path, content in self.kept.items():
            path.write_bytes(content)
        self.kept.clear()
        self.hub.move(MODEL, "main", self.first)
        repository = self.hub.store.repositories[MODEL]
        repository.private = repository.gated = repository.disabled = False
        self.account.token = self.account.hub.store.users["someone"].token

    def strike(self, rng: random.Random):
        """Prepare one fault, or two; return what they are called."""
        kinds = [rng.choice(sorted(FAULTS))]
        if rng.random() < 0.2:
            kinds.append(rng.choice(sorted(FAULTS)))
        for kind in kinds:
            FAULTS[kind](self, rng)
        return kinds[0] if len(kinds) == 1 else "two of them"

    def fault(self, rng, match, **how):
        return self.hub.fault(match, **{"times": rng.choice(TIMES), "skip": rng.choice([0, 0, 0, 1, 2])} | how)


def _cut(at, rng):
    at.fault(rng, rng.choice([at.weights, CONFIG, INFORMATION]), cut=rng.randrange(at.size), reset=rng.random() < 0.5)


def _broken(at, rng):
    at.fault(rng, rng.choice(at.requests), reset=True)


def _flip(at, rng):
    at.fault(rng, rng.choice([at.weights, CONFIG, INFORMATION, HEADS]), flip=rng.randrange(at.size), skip=0)


def _storm(at, rng):
    how = {"status": rng.choice(STATUS), "body": rng.choice(BODIES)}
    if rng.random() < 0.5:
        how["headers"] = {"Retry-After": rng.choice(["0", "1", "2", "60", "3600", "-1", "soon", "9" * 30, "1.5"])}
    elif rng.random() < 0.3:
        how |= {"status": 429, "headers": {"RateLimit": f'"api";r=0;t={rng.choice([0, 1, 299, 10**9])}'}}
    at.fault(rng, rng.choice(at.requests), **how)


def _page(at, rng):
    at.fault(rng, rng.choice(at.requests), body="<html>log in to the network</html>")


def _moved(at, rng):
    at.hub.fault(
        ".*", skip=rng.randrange(10), perform=True, action=lambda request: at.hub.move(MODEL, "main", at.second)
    )


def _slow(at, rng):
    at.fault(rng, rng.choice(at.requests), delay=rng.choice([0.05, 0.2, 0.5, 3.0]))


def _redirected(at, rng):
    """Another origin is asked in the Hub's place, which the token must not go to."""
    target = rng.choice(
        [at.hub.cdn_endpoint, at.hub.cdn_endpoint + f"/api/models/{MODEL}", "//localhost:1", "file:///"]
    )
    headers = {"Location": target, "X-Repo-Commit": at.first, "ETag": '"0"'}
    at.fault(rng, rng.choice(at.requests[:-1]), status=rng.choice([301, 302, 303, 307, 308]), headers=headers)


def _misled(at, rng):
    """A name or an address that would lead the client out of its cache, or its token elsewhere."""
    name = rng.choice(["../../../evil", "../evil", f"{at.account.folder}/evil", "..", "a b", ""])
    kinds = [{"ETag": f'"{name}"'}, {"X-Linked-Etag": f'"{name}"'}, {"X-Repo-Commit": rng.choice([name, at.second])}]
    kinds.append({"X-Xet-Hash": "0" * 64, "Link": f'<{at.hub.cdn_endpoint}/{MODEL}>; rel="xet-auth"'})
    at.fault(rng, HEADS, headers=rng.choice(kinds), skip=0)


def _token(at, rng):
    """A token that is wrong or shown by the answer, a repository that is not for everybody."""
    repository, kind = at.hub.store.repositories[MODEL], rng.randrange(5)
    if kind == 0:
        at.account.token = rng.choice(["hf_a_wrong_token", False])
    if kind in (1, 0):
        repository.private = True
    elif kind == 2:
        repository.gated = rng.choice(["auto", "manual"])
    elif kind == 3:
        repository.disabled = True
    else:
        told = f"no {at.account.token} Bearer {at.account.token}"
        at.fault(rng, rng.choice(at.requests), status=rng.choice(STATUS), headers={"X-Error-Message": told}, body=told)


def _storage(at, rng):
    """A bit of each file that is stored is another."""
    paths = at.hub.store.folder.rglob("xet/**/*") if at.account.xet else at.hub.store.folder.rglob("lfs/**/*")
    for path in [path for path in paths if path.is_file() and path.stat().st_size > 20_000 and path.suffix != ".mdb"]:
        content = bytearray(path.read_bytes())
        at.kept.setdefault(path, bytes(content))
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.chmod(0o644)
        path.write_bytes(content)


FAULTS = {
    "cut in the middle": _cut,
    "connection broken": _broken,
    "flipped byte": _flip,
    "failing server": _storm,
    "another page": _page,
    "moved branch": _moved,
    "slow answer": _slow,
    "redirect": _redirected,
    "misleading name": _misled,
    "token": _token,
    "storage damaged": _storage,
}
