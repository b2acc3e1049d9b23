import pytest

pytest_plugins = ["distributions", "hub_settings"]


@pytest.fixture(autouse=True, scope="session")
def few_points_in_a_picture():
    """Draw pictures of points from fewer than 10,000: each run draws three, which would take most of its time."""
    import ganzoo.gan

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ganzoo.gan, "HISTOGRAM", 100)
        yield
