import harness
import pytest


@pytest.fixture(scope="session")
def nursery():
    made = harness.Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session")
def site(nursery, tmp_path_factory):
    return harness.Site(tmp_path_factory.mktemp("faults"), nursery)
