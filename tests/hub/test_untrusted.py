"""A stranger's repository: nothing that it names is imported or opened, and no token leaves the Hub."""

import json
import logging
import subprocess
import sys
import textwrap
import traceback

import pytest
from loopback_hub import client_environment

import ganzoo
from ganzoo import plugins, zoo
from ganzoo.errors import ConfigError, HubError, MissingPluginError, UnknownNameError
from ganzoo.hub import limits

MODEL = "someone/ring"
FILES = {path.name: path.read_bytes() for path in zoo.locate("mlp-ring").folder.iterdir()}
CONFIG = json.loads(FILES["config.json"])

# Runs in a process of its own, because an audit hook stays: prints what was imported and opened during the load.
AUDITED = """
import builtins, json, os, sys
import ganzoo, torch
from ganzoo.errors import GanzooError
ganzoo.load("mlp-ring")
import ganzoo.hub.repository, httpx2, huggingface_hub.hf_api, huggingface_hub.file_download
events, on = [], False
def hook(event, arguments):
    if not on:
        return
    if event == "import":
        events.append(["import", str(arguments[0])])
    elif event == "open" and isinstance(arguments[0], str):
        events.append(["open", arguments[0]])
    elif event == "exec":
        events.append(["exec", getattr(arguments[0], "co_filename", "")])
    elif event.startswith(("subprocess.", "pickle.", "os.system", "os.exec", "os.posix_spawn", "socket.bind")):
        events.append([event, ""])
sys.addaudithook(hook)
outcomes = []
for source in json.loads(sys.argv[1]):
    on = True
    try:
        ganzoo.load(source, discriminator=True)
        outcome = "loaded"
    except GanzooError as error:
        outcome = type(error).__name__
    on = False
    outcomes.append(outcome)
print(json.dumps([outcomes, events]))
"""

EVIL = ["os:system", "evil_module", "evil_module:Model", "ganzoo.cli.hub:push", "../evil_module", "evil_module.Model"]


def test_nothing_that_a_repository_names_is_imported_or_opened(hub, tmp_path):
    evil = tmp_path / "path"
    evil.mkdir()
    (evil / "evil_module.py").write_text("raise SystemExit('imported')")
    sources = []
    for number, name in enumerate([*EVIL, "mlp"]):
        config = json.loads(FILES["config.json"])
        config["networks"]["generator"]["architecture"] = name
        for key in ("_target_", "__class__", "auto_map") if name != "mlp" else ():
            config["training"][key] = "evil_module:Model"
        repository = f"someone/model-{number}"
        hub.create_repo(repository)
        extra = {"pytorch_model.bin": b"\x80\x04cevil_module\nModel\n.", "modeling.py": b"import evil_module"}
        hub.commit(repository, FILES | extra | {"config.json": json.dumps(config).encode()})
        sources.append(f"hf-hub:{repository}")
    home = tmp_path / "home"
    environment = client_environment(hub, home=home, PYTHONPATH=f"{evil}:{ganzoo.__path__[0]}/..")
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, json.dumps(sources)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    outcomes, events = json.loads(done.stdout.splitlines()[-1])
    assert outcomes == ["UnknownNameError"] * len(EVIL) + ["loaded"]
    imported = {name for event, name in events if event == "import"}
    assert not any("evil" in name or name.startswith(("os:", "modeling", "pickle")) for name in imported)
    assert not {event for event, _ in events} - {"import", "open", "exec"}
    assert not [name for event, name in events if event == "exec" and str(tmp_path) in name]
    opened = {name.rsplit("/", 1)[-1] for event, name in events if event == "open" and "/snapshots/" in name}
    assert opened <= {"config.json", "generator.safetensors", "discriminator.safetensors"}
    fetched = {request.target.rsplit("/", 1)[-1] for request in hub.requests if "/resolve/" in request.target}
    assert fetched == {"config.json", "generator.safetensors", "discriminator.safetensors"}


@pytest.fixture
def model(account, monkeypatch):
    monkeypatch.setattr(limits, "PAUSE", 0.01)
    account.hub.create_repo(MODEL)
    account.hub.commit(MODEL, FILES)
    return account


def load_changed(model, change, **arguments):
    config = json.loads(FILES["config.json"])
    change(config["networks"]["generator"])
    model.hub.commit(MODEL, {"config.json": json.dumps(config).encode()})
    return ganzoo.load(f"hf-hub:{MODEL}", **model.reading | arguments)


NAMES = [
    *("../generator.safetensors", "/etc/passwd", "C:\\x.safetensors", "C:x.safetensors", "\\\\host\\x.safetensors"),
    *("a/b.safetensors", "..", ".", "generator.bin", "generator.pt", "pytorch_model.bin", "x\0.safetensors"),
    *("x" * 300 + ".safetensors", ".safetensors", "größe.safetensors", "x.safetensors/", "~/x.safetensors", "-x"),
    *("//x.safetensors", "%2e%2e%2fx.safetensors", "x.safetensors\n", "model.safetensors.index.json", "\ud800"),
    *("../../x.safetensors", "a/../../x.safetensors", "a/../x.safetensors", "./x.safetensors", ".\\x.safetensors"),
    *("..\\x.safetensors", "a\\b.safetensors", "\\x.safetensors", "\\\\?\\C:\\x.safetensors", "/x.safetensors"),
    *("//host/share/x.safetensors", "file:///x.safetensors", "http://127.0.0.1/x.safetensors", "$HOME/x.safetensors"),
    *(
        "${HOME}.safetensors",
        "x.safetensors\0",
        "x.safetensors ",
        " x.safetensors",
        "x y.safetensors",
        "x:y.safetensors",
    ),
    *(
        "x.SAFETENSORS",
        "Generator.Safetensors",
        "x.safetensors.",
        "x.safetensors.pt",
        "x.safetensors?a",
        "*.safetensors",
    ),
    *(
        "..safetensors",
        "...safetensors",
        "_x.safetensors",
        "x\u202e.safetensors",
        "x\u2215y.safetensors",
        "x\ttab.safetensors",
    ),
]


def test_there_are_fifty_names_and_more():
    assert len(set(NAMES)) == len(NAMES) >= 50


def test_two_networks_whose_files_differ_in_case_alone_keep_their_weights(model):
    """Where a disk does not tell the two names apart, the digest does."""
    config = json.loads(FILES["config.json"])
    networks = config["networks"]
    networks["generator"]["file"], networks["discriminator"]["file"] = "Model.safetensors", "model.safetensors"
    weights = {network["file"]: FILES[f"{name}.safetensors"] for name, network in networks.items()}
    commit = model.hub.commit(MODEL, weights | {"config.json": json.dumps(config).encode()})
    gan = ganzoo.load(f"hf-hub:{MODEL}", discriminator=True, **model.reading)
    here = ganzoo.load("mlp-ring", discriminator=True).state_dict()
    assert all(tensor.equal(here[name]) for name, tensor in gan.state_dict().items())
    folder = next(model.cache.rglob(commit))
    (folder / "Model.safetensors").unlink()
    (folder / "Model.safetensors").symlink_to((folder / "model.safetensors").readlink())
    with pytest.raises(HubError, match=r"the cached Model\.safetensors is damaged"):
        ganzoo.load(f"hf-hub:{MODEL}@{commit}", local_files_only=True, **model.reading)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_file_names_that_lead_elsewhere_are_refused(model, name):
    before = {path for path in model.folder.rglob("*") if "hub" not in path.parts and "cache" not in path.parts}
    with pytest.raises(ConfigError):
        load_changed(model, lambda network: network.update(file=name))
    after = {path for path in model.folder.rglob("*") if "hub" not in path.parts and "cache" not in path.parts}
    assert after == before
    assert model.hub.count(".*safetensors.*") == 0


@pytest.mark.parametrize(
    "widths", [[2**20] * 4, [2**15, 2**15], [1] * 3], ids=["10^12 parameters", "10^9 parameters", "fewer than the file"]
)
def test_sizes_are_bounded_before_anything_is_fetched_or_allocated(model, widths):
    with pytest.raises((HubError, ganzoo.errors.WeightsError)):
        load_changed(model, lambda network: network["args"].update(generator_widths=widths))


def test_a_token_goes_to_the_hub_alone_and_is_never_shown(model, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    shown = []
    echo = {"status": 403, "headers": {"X-Error-Message": f"no {model.token}"}, "times": None}
    for match in ("GET /api/models/.*", "POST .*", "HEAD .*", "GET .*"):
        model.hub.faults.clear()
        model.hub.fault(match, **echo)
        model.forget()
        with pytest.raises(HubError) as refused:
            ganzoo.load(f"hf-hub:{MODEL}", **model.reading)
        shown += traceback.format_exception(refused.value)
        assert "***" in str(refused.value) or match == "GET .*"
    model.hub.faults.clear()
    ganzoo.load(f"hf-hub:{MODEL}", discriminator=True, **model.reading).push_to_hub("someone/copy", **model.writing)
    assert not model.hub.leaks()
    captured = capsys.readouterr()
    shown += [captured.out, captured.err]
    shown += [record.getMessage() for record in caplog.records if record.name.startswith("ganzoo")]
    assert not [text for text in shown if model.token in text]
    pushed = model.hub.files("someone/copy")
    assert not [name for name in pushed if model.token.encode() in model.hub.read("someone/copy", name)]


# A plugin's model, with and without the plugin

PLUGIN = """
    from dataclasses import dataclass
    import torch
    from torch import nn
    from ganzoo.hookspecs import hookimpl
    from ganzoo.models.architecture import Architecture, Generator

    @dataclass(frozen=True, kw_only=True)
    class WaveConfig:
        length: int = 8

    class Wave(Generator):
        def __init__(self, config):
            super().__init__()
            self.latent_dim, self.sample_shape = 3, (1, config.length)
            self.project = nn.Linear(3, config.length)

        def forward(self, latent, condition=None):
            return torch.tanh(self.project(latent))[:, None]

    WAVE = Architecture(WaveConfig, {"generator": Wave}, lambda shape, condition: {"length": shape[-1]})

    @hookimpl
    def ganzoo_register(registry):
        registry.architecture("wave", __name__ + ":WAVE", summary="a wave")
"""
OTHER = textwrap.dedent(PLUGIN).replace('"wave", ', '"ripple", ')
STATES = {
    "absent": (None, "The plugin 'ganzoo-sound' is not installed."),
    "disabled": (("0.4", PLUGIN), "ganzoo-sound 0.4 is installed but disabled: it is in GANZOO_DISABLE_PLUGINS."),
    "failed": (("0.4", "raise RuntimeError('boom')"), "0.4 is installed but failed to load: RuntimeError: boom."),
    "too old": (("0.3", OTHER), "ganzoo-sound 0.3 is too old: the model was saved with 0.4."),
    "without it": (("0.5", OTHER), "0.5 is installed but does not provide it (the model was saved with 0.4)."),
}


@pytest.mark.parametrize(("installed", "said"), STATES.values(), ids=STATES.keys())
@pytest.mark.filterwarnings("ignore::ganzoo.plugins.GanzooPluginWarning")
def test_a_model_whose_plugin_is_not_there_says_so(account, site, monkeypatch, installed, said):
    site.install("ganzoo-sound", PLUGIN, version="0.4")
    gan = ganzoo.create_model("wave", length=5)
    pushed = gan.push_to_hub("someone/drums", **account.writing)
    loaded = ganzoo.load("hf-hub:someone/drums", **account.reading)
    assert loaded.sample(3, seed=0).equal(gan.sample(3, seed=0))

    site.forget_modules()
    for path in site.folder.glob("ganzoo_sound-*/*"):
        path.unlink()
    for path in site.folder.glob("ganzoo_sound-*"):
        path.rmdir()
    plugins.reset()
    if installed is not None:
        site.install("ganzoo-sound", installed[1], version=installed[0])
    if "disabled" in said:
        monkeypatch.setenv("GANZOO_DISABLE_PLUGINS", "ganzoo-sound")
        plugins.reset()
    account.forget()
    with pytest.raises(MissingPluginError) as refused:
        ganzoo.load(f"hf-hub:someone/drums@{pushed.commit}", **account.reading)
    message = str(refused.value)
    assert message.startswith(
        f"cannot load 'hf-hub:someone/drums@{pushed.commit}': its architecture 'ganzoo_sound/wave' is a plugin's; "
        '`pip install "ganzoo-sound>=0.4"` installs it. The plugin '
    )
    assert message.endswith(said)
    assert not list(account.cache.rglob("generator.safetensors"))


def test_an_architecture_that_nobody_has_names_near_ones(model):
    with pytest.raises(UnknownNameError, match="no architecture is named 'dcgann'; did you mean 'dcgan'"):
        load_changed(model, lambda network: network.update(architecture="dcgann"))


def test_a_plugin_brings_a_model_that_is_on_the_hub_alone(account, site):
    source = (
        textwrap.dedent(PLUGIN)
        + """
    from ganzoo.registry import Published
    registry.pretrained("drums", summary="", architecture="wave", data="none", published=Published(*PLACE))
"""
    )
    site.install("ganzoo-sound", PLUGIN, version="0.4")
    gan = ganzoo.create_model("wave", length=5)
    pushed = gan.push_to_hub("someone/drums", **account.writing)
    digests = {name: digest for name, digest in pushed.sha256.items() if name != "README.md"}
    site.forget_modules()
    (site.folder / "ganzoo_sound.py").write_text(
        source.replace("PLACE", repr(("someone/drums", pushed.commit, digests)))
    )
    plugins.reset()
    for name in ("drums", "ganzoo-sound/drums"):
        assert ganzoo.load(name, **account.reading).sample(3, seed=0).equal(gan.sample(3, seed=0))
    assert "Traceback" not in str(plugins.list_plugins())
