"""float64, float16 and compiled networks."""

import json
import math

import pytest
import torch
from small import at_step, copied, digest, pictures, points, same, stop_at, trainer

import ganzoo
from ganzoo import Trainer
from ganzoo.errors import ConfigError, DivergenceError
from ganzoo.training.manifest import manifest_of
from ganzoo.training.settings import Settings
from ganzoo.weights import read_tensors

pytestmark = pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning")

INF = float("inf")
START = 2.0**16  # where torch begins to scale


def overflowing(run, steps):
    """Let a gradient of the discriminator overflow at some steps."""
    now = []
    begin = run.step.begin
    run.discriminator.parameters[0].register_hook(lambda gradient: gradient * (INF if now[-1] in steps else 1.0))

    def noted(index):
        now.append(index)
        begin(index)

    run.step.begin = noted
    return run


def lines(run):
    return [json.loads(line, parse_constant=pytest.fail) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("model", ["mlp", "dcgan"])
def test_fp64_trains_in_float64_and_publishes_float32(tmp_path, model):
    data = points() if model == "mlp" else pictures()
    small = {} if model == "mlp" else {"model_args": {"base_channels": 4, "latent_dim": 4}}
    run = trainer(tmp_path / "run", model=model, data=data, precision="fp64", **small)
    gan = run.fit()
    assert {parameter.dtype for parameter in gan.parameters()} == {torch.float64}
    assert run.monitor.values["generator_loss"].dtype == torch.float64
    assert run.generator.optimizer.state[run.generator.parameters[0]]["exp_avg"].dtype == torch.float64
    published = read_tensors(tmp_path / "run" / "model" / "generator.safetensors")
    assert {tensor.dtype for tensor in published.values() if tensor.is_floating_point()} == {torch.float32}
    assert ganzoo.load(tmp_path / "run" / "model").sample(2, seed=0).dtype == torch.float32


def test_fp64_and_fp32_take_nearly_the_same_steps():
    losses = []
    for precision in ("fp64", "fp32"):
        run = trainer(steps=1, precision=precision, objective="non_saturating + r1(1)")
        run.fit()
        losses.append({name: float(value) for name, value in run.monitor.values.items()})
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_fp16_computes_in_float16_and_is_close_to_fp32():
    seen = []
    losses = []
    for precision in ("fp16", "fp32"):
        run = trainer(steps=1, precision=precision, objective="non_saturating + gradient_penalty(1)")
        run.gan.discriminator.output.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
        run.fit()
        losses.append({name: float(value) for name, value in run.monitor.values.items()})
    assert torch.float16 in seen
    assert losses[0] == pytest.approx(losses[1], rel=0.02, abs=2e-3)


def test_an_overflow_in_fp16_skips_one_update_and_halves_the_scale(tmp_path):
    run = overflowing(trainer(tmp_path / "run", steps=4, precision="fp16"), {1})
    before, after = [], []
    at_step(run, 1, lambda: before.append(copied(run.gan.discriminator)))
    at_step(run, 2, lambda: after.append(copied(run.gan.discriminator)))
    run.fit()
    assert same(before[0], after[0])
    assert run.discriminator.scaler.get_scale() == START / 2
    assert run.generator.scaler.get_scale() == START
    assert not same(after[0], run.gan.discriminator.state_dict())
    norms = [line["discriminator_gradient_norm"] for line in lines(tmp_path / "run")]
    assert [norm == 0 for norm in norms] == [False, True, False, False]


def test_the_scale_of_fp16_goes_on_where_it_was(tmp_path):
    run = overflowing(trainer(tmp_path / "run", steps=6, precision="fp16"), {1, 2})
    stop_at(run, 4, save=True)
    state = json.loads((tmp_path / "run" / "checkpoints" / "000000064" / "state.json").read_text())
    assert state["scalers"]["discriminator"]["scale"] == START / 4
    resumed = Trainer.resume(tmp_path / "run", progress=False)
    assert resumed.discriminator.scaler.get_scale() == START / 4
    resumed.fit()
    whole = overflowing(trainer(tmp_path / "whole", steps=6, precision="fp16"), {1, 2})
    whole.fit()
    assert digest(resumed) == digest(whole)
    assert resumed.discriminator.scaler.state_dict() == whole.discriminator.scaler.state_dict()


def test_a_gradient_that_no_scale_helps_stops_fp16(tmp_path):
    run = overflowing(trainer(tmp_path / "run", steps=40, precision="fp16"), range(3, 100))
    with pytest.raises(DivergenceError, match="gradient") as caught:
        run.fit()
    # 17 halvings lead from 2^16 to below 1.
    assert f"at step {4 + int(math.log2(START)) + 1}" in str(caught.value)
    assert all(tensor.isfinite().all() for tensor in run.gan.networks.state_dict().values())


def test_a_loss_that_is_not_finite_stops_fp16_at_once(tmp_path):
    run = trainer(tmp_path / "run", precision="fp16")
    at_step(run, 2, lambda: run.gan.generator.output.weight.data.fill_(float("nan")))
    with pytest.raises(DivergenceError, match=r"at step 3: generator\.output\.weight"):
        run.fit()


def test_a_run_of_before_a_setting_existed_goes_on(tmp_path, caplog):
    stop_at(trainer(tmp_path / "run"), 3, save=True)
    later = ("compile", "synchronize_batch_norm", "process_timeout_seconds")
    config = tmp_path / "run" / "config.toml"
    kept = [line for line in config.read_text().splitlines() if not line.startswith(later)]
    assert len(kept) == len(config.read_text().splitlines()) - 3
    config.write_text("\n".join(kept) + "\n")
    folder = tmp_path / "run" / "checkpoints" / "000000048"
    state = json.loads((folder / "state.json").read_text())
    for name in later:
        del state["config"]["training"][name]
    del state["environment"]["processes"]
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "MANIFEST.json").write_bytes(manifest_of(folder))
    resumed = Trainer.resume(tmp_path / "run", progress=False)
    assert not caplog.records
    assert resumed.settings.process_timeout_seconds == Settings(images=1).process_timeout_seconds
    resumed.fit()


@pytest.mark.slow
def test_compiled_networks_resume_bit_equal_under_ordinary_names(tmp_path):
    case = {"compile": True, "data": points(), "steps": 4, "objective": "non_saturating + r1(1)"}
    whole = trainer(tmp_path / "whole", **case)
    seen = []
    at_step(whole, 1, lambda: seen.append(whole.gan.discriminator._compiled_call_impl))
    gan = whole.fit()
    assert seen[0] is not None
    assert gan.discriminator._compiled_call_impl is None
    stop_at(trainer(tmp_path / "run", **case), 2, save=True)
    resumed = Trainer.resume(tmp_path / "run", data=points(), progress=False)
    resumed.fit()
    assert digest(resumed) == digest(whole)
    plain = trainer(**case | {"compile": False})
    plain.fit()
    assert plain.gan.networks.state_dict().keys() == whole.gan.networks.state_dict().keys()
    for name in ("generator_loss", "discriminator_loss", "discriminator_r1"):
        assert float(whole.monitor.values[name]) == pytest.approx(float(plain.monitor.values[name]), rel=1e-2)
    assert ganzoo.load(tmp_path / "whole" / "model").sample(1, seed=0).shape == (1, 2)


@pytest.mark.slow
def test_without_a_compiler_it_says_so(tmp_path, monkeypatch):
    import torch._inductor.config as inductor

    torch.compiler.reset()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    with inductor.patch({"cpp.cxx": ("no-such-compiler",)}), pytest.raises(ConfigError, match=r"leave out compile"):
        trainer(compile=True, model_args={"generator_widths": [7], "discriminator_widths": [9]}).fit()
