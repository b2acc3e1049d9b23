import pytest
from distributions import BROKEN

from ganzoo import plugins
from ganzoo.errors import MissingPluginError
from ganzoo.plugins import GanzooPluginWarning

PROVIDER = {"distribution": "ganzoo-sound", "version": "0.4.0", "requires": "ganzoo-sound>=0.4,<1"}


def missing(**changes):
    error = plugins.missing(PROVIDER | changes, "sound/wavegan", "someone/drums")
    assert isinstance(error, MissingPluginError)
    return str(error)


HEAD = (
    "cannot load 'someone/drums': its architecture 'sound/wavegan' is a plugin's; "
    '`pip install "ganzoo-sound>=0.4,<1"` installs it. The plugin '
)


def test_missing_because_absent(site):
    assert missing() == HEAD + "'ganzoo-sound' is not installed."


def test_missing_because_disabled(site, monkeypatch):
    site.install("ganzoo-sound")
    monkeypatch.setenv("GANZOO_DISABLE_PLUGINS", "ganzoo-sound")
    assert missing() == HEAD + "ganzoo-sound 1.0 is installed but disabled: it is in GANZOO_DISABLE_PLUGINS."


def test_missing_because_failed(site):
    site.install("ganzoo-sound", BROKEN["raises"][0])
    with pytest.warns(GanzooPluginWarning):
        assert (
            missing() == HEAD + "ganzoo-sound 1.0 is installed but failed to load: RuntimeError: boom while importing."
        )


@pytest.mark.parametrize("version", ["0.3", "0.3.9", "0.4rc1.dev0"])
def test_missing_because_too_old(site, version):
    site.install("ganzoo-sound", version=version)
    wanted = "0.4.1"
    assert missing(version=wanted) == (HEAD + f"ganzoo-sound {version} is too old: the model was saved with {wanted}.")


@pytest.mark.parametrize("version", ["0.4", "0.4.0.0", "0.10", "1.0"])
def test_missing_though_new_enough(site, version):
    site.install("ganzoo-sound", version=version)
    assert missing() == HEAD + (
        f"ganzoo-sound {version} is installed but does not provide it (the model was saved with 0.4.0)."
    )


def test_missing_though_installed_without_entry_points(site):
    site.install("ganzoo-sound", version="0.1")
    (site.folder / "ganzoo_sound-0.1.dist-info" / "entry_points.txt").unlink()
    assert "ganzoo-sound 0.1 is too old" in missing()


@pytest.mark.parametrize(
    "requires",
    [
        "ganzoo-sound; rm -rf ~",
        'ganzoo-sound" && evil "',
        "ganzoo-sound @ https://example.org/evil.whl",
        "git+https://example.org/evil",
        "--index-url=https://example.org ganzoo-sound",
        "ganzoo-sound $(evil)",
        "ganzoo-sound`evil`",
        "ganzoo-sound>=1\nevil",
        "ganzoo-sound>=",
        "ganzoo-sound other",
        "another-distribution>=1",
        "ganzoo-sound>=1\n",
        "",
        None,
    ],
)
def test_an_invalid_requirement_is_not_shown(site, requires):
    message = missing(requires=requires)
    assert "no valid requirement" in message
    assert "pip install" not in message
    assert "evil" not in message
    assert "another-distribution" not in message


@pytest.mark.parametrize(
    "requires",
    [
        "ganzoo-sound",
        "Ganzoo_Sound[gpu]>=0.4",
        "ganzoo.sound[gpu, extra] ~=0.4.1, !=0.4.3",
        "ganzoo-sound==1.*",
        "ganzoo-sound>=1.0rc1,<2",
        "ganzoo-sound > 0.4.post1",
    ],
)
def test_a_valid_requirement_is_shown_quoted(site, requires):
    assert f'`pip install "{requires}"`' in missing(requires=requires)
