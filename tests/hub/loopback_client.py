"""Client code in a process of its own, because the client reads its environment when it is imported."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopback_hub import LoopbackHub

INHERITED = ("HF_", "HUGGING", "HUGGINGFACE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def client_environment(
    hub: "LoopbackHub | HubProcess",
    *,
    home: Path | str,
    token: str | None = None,
    xet: bool = False,
    **environment: str,
) -> dict[str, str]:
    """Return the environment in which ``huggingface_hub`` speaks to ``hub`` and to nothing else.

    Args:
        hub: the Hub to speak to.
        home: the folder for ``HF_HOME``, which holds the cache.
        token: the user's token; ``None`` is anonymous.
        xet: whether files travel by xet; by LFS otherwise.
        environment: further variables, which override these.

    The client asks the Hub once a day for a registry that it keeps in ``HF_HOME`` (``/api/agent-harnesses``): an empty
    one is put there, so that the requests on record are those that the code made.
    """
    registry = Path(home) / ".agent_harnesses.json"
    if not registry.exists():
        registry.parent.mkdir(parents=True, exist_ok=True)
        registry.write_text('{"standardEnvVars": [], "harnesses": {}}')
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(INHERITED)}
    return {
        **kept,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        **({} if xet else {"HF_HUB_DISABLE_XET": "1"}),
        **({"HF_TOKEN": token} if token else {}),
        **environment,
    }


def run_client(
    code: str,
    hub: "LoopbackHub | HubProcess",
    *,
    home: Path | str | None = None,
    token: str | None = None,
    xet: bool = False,
    timeout: float = 120.0,
    **environment: str,
) -> Any:
    """Run Python code in a fresh process that speaks to ``hub``, and return the JSON of the last line it prints.

    Args:
        code: the program.
        hub: the Hub to speak to.
        home: ``HF_HOME``, to share a cache between calls; a new folder unless given.
        token: the user's token; ``None`` is anonymous.
        xet: whether files travel by xet; by LFS otherwise.
        timeout: seconds after which the process is ended.
        environment: further environment variables.

    Raises:
        AssertionError: if the program fails, with what it wrote to stderr.
    """
    home = home or tempfile.mkdtemp(prefix="home-", dir=hub.folder)
    variables = client_environment(hub, home=home, token=token, xet=xet, **environment)
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


class HubProcess:
    """A Hub in a process of its own, on what a ``LoopbackHub`` left in ``folder``; a context manager.

    ``kill()`` ends it as a crash does: nothing is answered any more. Its requests are not on record here.
    """

    def __init__(self, folder: Path | str, *arguments: str) -> None:
        self.folder = Path(folder)
        addresses = self.folder / "addresses.json"
        addresses.unlink(missing_ok=True)
        program = Path(__file__).with_name("loopback_hub.py")
        command = [sys.executable, str(program), "--folder", str(folder), "--port-file", str(addresses), *arguments]
        self.process = subprocess.Popen(command)
        deadline = time.monotonic() + 60
        while not addresses.exists():
            assert self.process.poll() is None, f"the Hub ended with {self.process.returncode}"
            assert time.monotonic() < deadline, "the Hub did not answer within 60 seconds"
            time.sleep(0.01)
        told = json.loads(addresses.read_text())
        self.endpoint, self.cdn_endpoint = told["endpoint"], told["cdn_endpoint"]

    def __enter__(self) -> "HubProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()
