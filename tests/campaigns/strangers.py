"""Trials of a stranger's model in a local folder: what a load of it opens, imports, takes and makes of it."""

import ctypes
import hashlib
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import model_mutations

TRIAL_SECONDS, CONFIG_MB = 5, 200
SLACK_MB = 8  # the allocator's own, beside three times the file
LONGEST_MESSAGE = 3000  # characters
INSTALLED = (".dist-info", ".egg-info")
WATCHED = ("subprocess.", "socket.", "pickle.", "os.", "shutil.", "ctypes.dlopen", "marshal.", "webbrowser.", "urllib.")
TIMM = {"backbone": "resnet10t", "head_channels": 2}


class Watch:
    """What a piece of code imported, opened and started; an audit hook, which stays for the life of the process."""

    def __init__(self):
        self.events, self.is_on = [], False
        sys.addaudithook(self._note)

    def _note(self, event, arguments):
        if self.is_on and (event in ("import", "open") or event.startswith(WATCHED)):
            self.events.append((event, arguments[0] if arguments else ""))

    def __enter__(self):
        self.events, self.is_on = [], True
        return self

    def __exit__(self, *_):
        self.is_on = False

    def check(self, folder):
        """Refuse everything but reading the model's own files; return whether weights were among them."""
        opened = [Path(os.fspath(path)) for event, path in self.events if event == "open" and not isinstance(path, int)]
        strange = [path for path in opened if path.parent != folder or path.suffix not in (".json", ".safetensors")]
        strange = [path for path in strange if str(path) not in sys.path and path.parent.suffix not in INSTALLED]
        assert not strange, f"it opened {strange[:3]}"
        looked = ("open", "os.listdir", "os.scandir")  # what is installed is looked up there
        others = [(event, str(what)[:80]) for event, what in self.events if event not in looked or what == str(folder)]
        assert not others, f"it did {others[:3]}"
        return any(path.suffix == ".safetensors" for path in opened)


def resident():
    """Return the resident size in MB, and what it was at most since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return sizes["VmRSS"], sizes["VmHWM"]


def forget_peak():
    Path("/proc/self/clear_refs").write_text("5")
    return resident()[0]


def hangs(*_):
    raise AssertionError(f"it went on for more than {4 * TRIAL_SECONDS} s")


class Models:
    """Local models, one file of which each trial changes."""

    def __init__(self, folder):
        import ganzoo
        from ganzoo import plugins, zoo

        for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD: what is freed is given back, so that growth shows
            ctypes.CDLL(None).mallopt(option, 65536)
        plugins.list_plugins()
        self.watch, self.slowest, self.largest = Watch(), 0.0, 0.0
        self.folders = []
        for name in ("mlp-ring", "dcgan-mnist", "mlp-gaussian", "cgan-mnist"):
            shutil.copytree(zoo.locate(name).folder, folder / name)
            self.folders.append(folder / name)
        small = {"image_size": 32, "base_channels": 2}
        made = {"timm": ganzoo.create_model("dcgan", discriminator="timm", discriminator_args=TIMM, **small)}
        made["pix2pix"] = ganzoo.create_model("pix2pix", discriminator_base_channels=2, **small)
        for name, gan in made.items():
            gan.save_pretrained(folder / name)
            self.folders.append(folder / name)
        self.configs = {path: (path / "config.json").read_text() for path in self.folders}
        evil = folder / "path"
        evil.mkdir()
        (evil / f"{model_mutations.EVIL}.py").write_text("raise SystemExit('imported')")
        sys.path.append(str(evil))
        for path in self.folders:  # imports what is imported once
            ganzoo.load(path, discriminator=True)

    def load(self, folder, **arguments):
        """Load a model, watched; return it, or the name of the documented error, and whether weights were opened."""
        import ganzoo
        from ganzoo import errors

        documented = (errors.ConfigError, errors.UnknownNameError, errors.MissingPluginError, errors.SourceError)
        signal.signal(signal.SIGALRM, hangs)
        signal.alarm(4 * TRIAL_SECONDS)
        before, started = forget_peak(), time.monotonic()
        with self.watch:
            try:
                outcome = ganzoo.load(folder, **arguments)
            except (*documented, errors.WeightsError) as error:
                outcome = type(error).__name__
                message = str(error)
            else:
                message = ""
            finally:
                signal.alarm(0)
        seconds, grown = time.monotonic() - started, resident()[1] - before
        assert seconds < TRIAL_SECONDS, f"it took {seconds:.1f} s"
        message.encode()
        assert len(message) < LONGEST_MESSAGE, f"a message of {len(message)} characters: {message[:200]}"
        self.slowest, self.largest = max(self.slowest, seconds), max(self.largest, grown)
        return outcome, self.watch.check(folder), grown

    def weights(self, seed):
        """Load a model with a mutated generator.safetensors."""
        rng = random.Random(seed)
        folder = self.folders[seed % 2]
        path = folder / "generator.safetensors"
        original = path.read_bytes()
        how, changed, size = model_mutations.mutated_weights(original, rng)
        told = rng.random() < 0.85
        if told:
            digests = [hashlib.sha256(each).hexdigest() for each in (original, changed)]
            (folder / "config.json").write_text(self.configs[folder].replace(*digests))
        try:
            path.write_bytes(changed)
            os.truncate(path, size)
            gan, _, grown = self.load(folder)
        finally:
            path.write_bytes(original)
            (folder / "config.json").write_text(self.configs[folder])
        if isinstance(gan, str):
            assert gan == "WeightsError", gan
        else:
            assert told or changed == original, "another digest than the config's"
            check_tensors(gan, changed)
        assert grown < 3 * size / 2**20 + SLACK_MB, f"it took {grown:.1f} MB for a file of {size} bytes"
        return how if told else "not what config.json says", gan if isinstance(gan, str) else "loaded"

    def config(self, seed):
        """Load a model with a mutated config.json."""
        rng = random.Random(seed)
        folder = self.folders[seed % len(self.folders)]
        path = folder / "config.json"
        how, changed, size = model_mutations.mutated_config(self.configs[folder], rng)
        try:
            path.write_bytes(changed)
            os.truncate(path, size)
            gan, with_weights, grown = self.load(folder, discriminator=rng.random() < 0.7)
        finally:
            path.write_text(self.configs[folder])
        assert grown < CONFIG_MB, f"it took {grown:.0f} MB"
        if isinstance(gan, str):
            assert gan == "WeightsError" or not with_weights, f"{gan} after weights were read"
            return how, f"{gan}{' of weights' if with_weights else ''}"
        file = gan.config.networks["generator"].file
        check_tensors(gan, (folder / file).read_bytes())
        return how, "loaded"


def check_tensors(gan, content):
    """Refuse a generator whose tensors are other than a safetensors file declares."""
    said, state = model_mutations.declared(content), gan.generator.state_dict()
    assert said.keys() == state.keys()
    for name, tensor in state.items():
        assert tensor.shape == said[name].shape, name
        assert tensor.equal(said[name].to(tensor.dtype)), name
