import json
import tomllib

import pytest
import torch
from click.testing import CliRunner
from small import BATCH, at_step, digest, edit_state, lines, pictures, points, stop_at, trainer, warnings_of

import ganzoo
from ganzoo import Trainer
from ganzoo.cli import cli
from ganzoo.errors import CallbackError, CheckpointError, ConfigError, InputError, RunError, UnknownNameError
from ganzoo.training.callbacks import create_callback
from ganzoo.training.calling import Callbacks

EVENTS = ("on_start", "on_step", "on_log", "on_sample", "on_evaluate", "on_checkpoint", "on_end")


class Notes(ganzoo.Callback):
    """Notes every call."""

    def __init__(self):
        self.calls = []

    def __getattribute__(self, name):
        if name not in EVENTS:
            return super().__getattribute__(name)
        return lambda *arguments: self.calls.append((name, *arguments))

    def on_start(self, trainer): ...
    def on_step(self, images): ...
    def on_log(self, images, line): ...
    def on_sample(self, images, picture): ...
    def on_evaluate(self, images, numbers): ...
    def on_checkpoint(self, images, folder): ...
    def on_end(self, gan): ...

    def of(self, event):
        """Return what an event was called with."""
        return [arguments for name, *arguments in self.calls if name == event]


class Fails(ganzoo.Callback):
    """Fails in one event once so many images were shown."""

    def __init__(self, event, images=0):
        self.images, self.ended = images, []
        setattr(self, event, self.fail)

    def fail(self, first=None, *rest):
        if not isinstance(first, int) or first >= self.images:
            raise ValueError("no more")

    def on_end(self, gan):
        self.ended.append(gan)


class Counts(ganzoo.Callback):
    """Counts steps over all lives of a run."""

    def __init__(self):
        self.steps = 0

    def on_step(self, images):
        self.steps += 1

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


# What is called, when, and with what


def test_each_event_comes_with_what_the_run_wrote(tmp_path):
    run, notes = tmp_path / "run", Notes()
    prepared = trainer(
        run,
        steps=6,
        callbacks=[notes],
        log_every_images=2 * BATCH,
        sample_every_images=3 * BATCH,
        checkpoint_every_images=4 * BATCH,
        evaluate_every_images=3 * BATCH,
        evaluate_samples=50,
    )
    gan = prepared.fit()
    assert notes.of("on_start") == [[prepared]]
    assert notes.of("on_step") == [[16], [32], [48], [64], [80], [96]]
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert notes.of("on_log") == [[line["images"], line] for line in logged if "spread" in line]
    assert [images for images, _ in notes.of("on_log")] == [32, 64, 96]
    evaluated = [line for line in logged if "modes" in line]
    assert [[images, {**numbers}] for images, numbers in notes.of("on_evaluate")] == [
        [line["images"], {key: line[key] for key in ("modes", "high quality")}] for line in evaluated
    ]
    assert [images for images, _ in notes.of("on_evaluate")] == [0, 48, 96]
    assert [images for images, _ in notes.of("on_sample")] == [0, 48, 96]
    assert all(picture.size[0] > 100 for _, picture in notes.of("on_sample"))
    assert notes.of("on_checkpoint") == [[n, run / "checkpoints" / f"{n:09d}"] for n in (0, 64, 96)]
    assert notes.calls[0][0] == "on_start"
    ((name, ended),) = notes.calls[-1:]
    assert name == "on_end"
    assert torch.equal(ended.sample(3, seed=0), gan.sample(3, seed=0))


def test_a_checkpoint_is_whole_when_it_is_told(tmp_path):
    found = []

    class Looks(ganzoo.Callback):
        def on_checkpoint(self, images, folder):
            found.append(json.loads((folder / "state.json").read_text())["images"] == images)
            found.append((folder / "MANIFEST.json").exists())

    trainer(tmp_path / "run", steps=2, callbacks=[Looks()], checkpoint_every_images=BATCH).fit()
    assert found == [True] * 6


def test_only_what_is_overridden_is_called():
    class Steps(ganzoo.Callback):
        def on_step(self, images): ...

    bound = Callbacks([Steps(), Counts()])
    assert len(bound.on_step) == 2
    assert (bound.on_log, bound.on_sample, bound.on_evaluate, bound.on_checkpoint) == ((), (), (), ())
    assert Callbacks().on_step == ()


def test_callbacks_change_no_result(tmp_path):
    class Draws(ganzoo.Callback):
        def on_step(self, images):
            torch.manual_seed(images)
            torch.rand(7)

    settings = {"model_args": {"discriminator_dropout": 0.3}}  # which draws from the global generator
    without, asked = trainer(tmp_path / "a", **settings), [Draws(), Notes(), "tensorboard"]
    with_callbacks = trainer(tmp_path / "b", callbacks=asked, evaluate_every_images=32, evaluate_samples=50, **settings)
    before = torch.random.get_rng_state()
    for run in (without, with_callbacks):
        run.fit()
    assert digest(without) == digest(with_callbacks)
    assert lines(tmp_path / "a") == [line for line in lines(tmp_path / "b") if "spread" in line]
    assert torch.equal(torch.random.get_rng_state(), before)


# When one fails


@pytest.mark.parametrize("event", EVENTS[:-1])
def test_one_that_fails_ends_training_with_its_name_and_the_run_goes_on_from_the_last_checkpoint(tmp_path, event):
    settings = {"data": points(), "steps": 6, "checkpoint_every_images": 32, "sample_every_images": 32}
    whole = trainer(tmp_path / "whole", **settings)
    whole.fit()
    run, fails = tmp_path / "run", Fails(event, images=1)
    evaluating = {"evaluate_every_images": 32, "evaluate_samples": 50, "data": "ring"} if event == "on_evaluate" else {}
    asked = settings | evaluating
    with pytest.raises(
        CallbackError, match=rf"the callback '.*Fails' failed in {event}: ValueError: no more"
    ) as caught:
        trainer(run, callbacks=[fails], **asked).fit()
    assert isinstance(caught.value.__cause__, ValueError)
    assert fails.ended == [None]
    if event == "on_start":
        assert not (run / "config.toml").exists()
        return
    resumed = Trainer.resume(run, data=asked["data"], callbacks=(), progress=False)
    assert resumed.images == (32 if event == "on_checkpoint" else 0)
    resumed.fit()
    if not evaluating:
        assert digest(resumed) == digest(whole)


def test_failing_at_the_end_leaves_a_finished_run(tmp_path):
    class Ends(ganzoo.Callback):
        def on_end(self, gan):
            raise OSError("cannot close")

    with pytest.raises(CallbackError, match=r"Ends' failed in on_end: OSError: cannot close"):
        trainer(tmp_path / "run", steps=2, callbacks=[Ends()]).fit()
    assert ganzoo.load(tmp_path / "run" / "model").config.training["images_shown"] == 32


def test_failing_twice_tells_the_first_and_warns_of_the_second(tmp_path, caplog):
    class Worse(ganzoo.Callback):
        def on_step(self, images):
            raise ValueError("first")

        def on_end(self, gan):
            raise ValueError("second")

    with pytest.raises(CallbackError, match="on_step: ValueError: first"):
        trainer(steps=2, callbacks=[Worse()]).fit()
    assert any("on_end: ValueError: second" in message for message in warnings_of(caplog))


def test_what_is_no_error_passes_through():
    class Stops(ganzoo.Callback):
        def on_step(self, images):
            raise KeyboardInterrupt

    notes = Notes()
    with pytest.raises(KeyboardInterrupt):
        trainer(steps=2, callbacks=[Stops(), notes]).fit()
    assert notes.of("on_end") == [[None]]


# Naming them


def test_the_same_class_by_name_and_by_hand(tmp_path):
    built = create_callback(f"tensorboard(directory={str(tmp_path)!r})")
    assert built.directory == tmp_path
    assert create_callback(" tensorboard ( 'x-y/z' ) ").directory.as_posix() == "x-y/z"
    assert create_callback("tensorboard()").directory is None


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("tensorbord", UnknownNameError, "did you mean 'tensorboard'"),
        ("", ConfigError, "cannot read the callback ''"),
        ("tensor board", ConfigError, "it takes a name such as 'tensorboard'"),
        ("tensorboard(folder='x')", ConfigError, "unexpected keyword argument 'folder'"),
        ("tensorboard('x', 'y')", ConfigError, "too many positional arguments"),
        ("tensorboard(directory=open('x'))", ConfigError, "cannot read the arguments"),
        ("tensorboard(directory='x'", ConfigError, "cannot read the callback"),
        ("tensorboard(**{'directory': 'x'})", ConfigError, "cannot read the arguments"),
        ("tensorboard(*['x'])", ConfigError, "cannot read the arguments"),
        ("tensorboard()('x')", ConfigError, "cannot read the arguments"),
        ("tensorboard() + (1)", ConfigError, "cannot read the arguments"),
    ],
)
def test_what_cannot_be_read_is_refused(text, error, says):
    with pytest.raises(error, match=says.replace("(", r"\(")):
        trainer(callbacks=[text])


@pytest.mark.parametrize("wrong", [[print], [Counts], "tensorboard", Counts(), [None], 3])
def test_what_is_no_list_of_callbacks_is_refused(wrong):
    with pytest.raises(InputError, match="it takes a"):
        trainer(callbacks=wrong)


PLUGIN = """
    import ganzoo

    CALLS = []

    class Beeps(ganzoo.Callback):
        def __init__(self, times=1):
            self.times = times

        def on_end(self, gan):
            CALLS.append(self.times)

    def nothing():
        return 3

    @ganzoo.hookimpl
    def ganzoo_register(registry):
        registry.callback("beep", __name__ + ":Beeps", summary="beeps at the end")
        registry.callback("odd", __name__ + ":nothing", summary="no Callback")
"""


def test_a_plugins_callback_runs_only_where_it_is_asked_for(site, tmp_path):
    module = __import__(site.install("ganzoo-sound", PLUGIN))
    trainer(steps=1).fit()
    assert module.CALLS == []
    trainer(tmp_path / "run", steps=1, callbacks=["beep", "ganzoo_sound/beep(times=3)"]).fit()
    assert module.CALLS == [1, 3]
    assert "beep" in CliRunner().invoke(cli, ["list", "--kind", "callback"]).output
    with pytest.raises(InputError, match="makes no Callback; tell its provider"):
        trainer(callbacks=["odd"])


# Over several lives


def test_named_ones_are_used_again_and_those_of_python_are_given_again(tmp_path):
    run, text = tmp_path / "run", f"tensorboard(directory={str(tmp_path / 'events')!r})"
    stop_at(trainer(run, steps=4, callbacks=[text]), 2, save=True)
    assert tomllib.loads((run / "config.toml").read_text())["callbacks"] == [text]
    resumed = Trainer.resume(run, progress=False)
    assert resumed.callbacks.describe() == {"callbacks": [text]}

    run = tmp_path / "other"
    stop_at(trainer(run, steps=4, callbacks=["tensorboard", Counts()]), 2, save=True)
    name = f"{Counts.__module__}.Counts"
    assert tomllib.loads((run / "config.toml").read_text())["callbacks_from_python"] == [name]
    with pytest.raises(RunError, match=r"its own callbacks; go on with ganzoo\.Trainer\.resume\(.*callbacks=\.\.\."):
        Trainer.resume(run, progress=False)
    again = ["tensorboard", Counts()]
    assert Trainer.resume(run, callbacks=again, progress=False).callbacks.describe()["callbacks_from_python"] == [name]


def test_others_may_be_asked_for_which_is_said(tmp_path, caplog):
    run = tmp_path / "run"
    stop_at(trainer(run, steps=4), 2, save=True)
    resumed = Trainer.resume(run, callbacks=["tensorboard"], progress=False)
    assert "callbacks was None and is ['tensorboard']; going on with the new value" in warnings_of(caplog)
    resumed.fit()
    assert (run / "tensorboard").is_dir()


def test_a_run_without_callbacks_says_nothing_of_them(tmp_path):
    run = tmp_path / "run"
    trainer(run, steps=1).fit()
    assert not [key for key in tomllib.loads((run / "config.toml").read_text()) if "callback" in key]


def test_state_is_in_the_checkpoint(tmp_path):
    run = tmp_path / "run"
    first, second = Counts(), Counts()
    prepared = trainer(run, steps=6, callbacks=[first, second])
    stop_at(at_step(prepared, 2, lambda: setattr(second, "steps", 10)), 4, save=True)
    assert (first.steps, second.steps) == (4, 12)
    first, second = Counts(), Counts()
    Trainer.resume(run, callbacks=[first, second], progress=False).fit()
    assert (first.steps, second.steps) == (6, 14)


def test_state_that_json_cannot_hold_is_refused_and_the_older_checkpoint_stays(tmp_path):
    class Hoards(ganzoo.Callback):
        def state_dict(self):
            return {"tensor": torch.ones(1)} if trained.images else {}

    run = tmp_path / "run"
    trained = trainer(run, steps=4, callbacks=[Hoards()], checkpoint_every_images=32)
    with pytest.raises(CallbackError, match=r"Hoards' cannot be kept in a checkpoint: .*Tensor.*plain, finite values"):
        trained.fit()
    assert Trainer.resume(run, callbacks=(), progress=False).images == 0


def test_state_of_another_kind_is_a_damaged_checkpoint(tmp_path):
    run = tmp_path / "run"
    stop_at(trainer(run, steps=4, callbacks=[Counts()]), 2, save=True)
    edit_state(run, lambda state: state.update(callbacks=3))
    with pytest.raises(CheckpointError, match="not iterable"):
        Trainer.resume(run, callbacks=[Counts()], progress=False)
    edit_state(run, lambda state: state.update(callbacks={f"{Counts.__module__}.Counts": {}}))
    with pytest.raises(CallbackError, match=r"Counts' failed in load_state_dict: KeyError"):
        Trainer.resume(run, callbacks=[Counts()], progress=False)


class Publishing(ganzoo.Callback):
    """Does with the result what `fit` does at the end."""

    def on_start(self, trainer):
        self.trainer = trainer

    def on_log(self, images, line):
        self.trainer.result().eval()


def test_a_callback_that_looks_at_the_result_in_eval_mode_changes_nothing():
    settings = {"model": "dcgan", "data": pictures(40), "model_args": {"base_channels": 4, "latent_dim": 4}}
    plain, watched = trainer(**settings), trainer(**settings, callbacks=[Publishing()])
    plain.fit()
    watched.fit()
    assert digest(plain) == digest(watched)
