import pytest
from loopback_hub import LoopbackHub


@pytest.fixture
def hub(tmp_path):
    """A running Hub without users and repositories; see loopback_hub."""
    with LoopbackHub(tmp_path / "hub") as running:
        yield running
