"""Settings of the Hub's client for tests that use it in their own process."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TOKEN = "hf_someones_own_token"


@dataclass
class Account:
    """A user of a loopback Hub, `someone`, with a cache of its own.

    Attributes:
        hub: The Hub.
        folder: Where caches are made.
        xet: Whether files travel by xet.
    """

    hub: Any
    folder: Path
    xet: bool
    token: str = TOKEN
    cache: Path = field(init=False)

    def __post_init__(self) -> None:
        self.cache = self.folder / "cache"

    @property
    def reading(self) -> dict[str, Any]:
        """The arguments with which `load` reaches the Hub."""
        return {"endpoint": self.hub.endpoint, "token": self.token, "cache_dir": self.cache}

    @property
    def writing(self) -> dict[str, Any]:
        """The arguments with which a push reaches the Hub."""
        return {"endpoint": self.hub.endpoint, "token": self.token}

    def becomes_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Use this Hub, cache and token where none is given, as HF_ENDPOINT, HF_HOME and HF_TOKEN would."""
        from huggingface_hub import constants

        address = f"{self.hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", self.hub.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(self.cache))
        monkeypatch.setenv("HF_TOKEN", self.token)

    def forget(self) -> None:
        """Begin with an empty cache."""
        self.cache = self.folder / f"cache-{len(list(self.folder.iterdir()))}"


@pytest.fixture(params=["lfs"])
def account(hub, tmp_path, monkeypatch, request):
    """An account on the loopback Hub, with the client set to it alone; files travel by LFS, or by `xet` if asked."""
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", request.param == "lfs")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_XET_CACHE", str(tmp_path / "xet-cache"))
    monkeypatch.setenv("HF_XET_CLIENT_RETRY_MAX_ATTEMPTS", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    hub.add_user("someone", token=TOKEN)
    return Account(hub, tmp_path, request.param == "xet")
