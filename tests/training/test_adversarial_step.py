import copy
from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from small import PlainDiscriminator, copied, described, pairs, plain_gan, points, same, trainer
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo import GAN, create_model
from ganzoo.losses.non_saturating import NonSaturating
from ganzoo.losses.r1 import R1
from ganzoo.losses.term import AdversarialLoss, GeneratorTerm
from ganzoo.training.step import frozen_statistics, train_mode


def started(model=None, **changes):
    run = trainer(model=model or plain_gan(), data=changes.pop("data", points()), **changes)
    for network in run.gan.networks.values():
        train_mode(network)
    return run


def statistics(network):
    return {name: buffer.clone() for name, buffer in network.named_buffers()}


def count_calls(module):
    calls = []
    module.register_forward_hook(lambda _, inputs, output: calls.append((inputs, output)))
    return calls


def test_real_and_fake_pass_through_the_discriminator_separately():
    run = started(steps=1)
    run._train_step()
    seen = run.gan.discriminator.seen
    assert [len(batch) for batch in seen] == [16, 16, 16]  # real, fake, and the fakes again for the generator
    real = run.table.batch(run._batches.order.batch(0)).sample
    assert torch.equal(seen[0], real)
    assert not seen[1].requires_grad
    assert seen[2].requires_grad
    assert torch.equal(seen[1], seen[2].detach())


def test_reused_fakes_run_the_generator_once_and_move_its_statistics_once():
    run = started(steps=1)
    calls, generator = count_calls(run.gan.generator), run.gan.generator
    expected = copy.deepcopy(generator)
    run._train_step()
    assert len(calls) == 1
    assert int(generator[1].num_batches_tracked) == 1
    expected(calls[0][0][0])
    assert torch.equal(expected[1].running_mean, generator[1].running_mean)


def test_the_discriminators_statistics_stay_in_the_generator_step():
    gan = plain_gan()
    gan.discriminator.layers[3] = nn.Sequential(spectral_norm(nn.Linear(8, 4)), nn.Linear(4, 1))
    run = started(gan)
    run.step.begin(0)
    batch = run.table.batch(run._batches.order.batch(0))
    before = statistics(gan.discriminator)
    run.discriminator.update(run.step.discriminator_losses(batch), 0)
    after = statistics(gan.discriminator)
    assert all(not torch.equal(before[key], after[key]) for key in before)  # batch norm and spectral vectors moved
    assert int(after["layers.1.num_batches_tracked"]) == 2
    with run.discriminator.frozen():
        run.generator.update(run.step.generator_losses(batch), 0)
    assert same(after, statistics(gan.discriminator))


def test_frozen_statistics_are_given_back_also_after_an_error():
    network = nn.Sequential(nn.BatchNorm1d(16), spectral_norm(nn.Linear(16, 16)))
    with pytest.raises(ZeroDivisionError), frozen_statistics(network):
        raise ZeroDivisionError
    before = statistics(network)
    network(torch.randn(4, 16))
    assert not any(torch.equal(before[key], value) for key, value in statistics(network).items())


class RunningSum(nn.Module):
    """A layer of somebody else's with a running statistic, declared as batch norm declares its own."""

    def __init__(self):
        super().__init__()
        self.track_running_stats = True
        self.register_buffer("total", torch.zeros(()))

    def forward(self, values):
        if self.training and self.track_running_stats:
            self.total += values.detach().sum()
        return values


def test_statistics_of_other_layers_that_say_so_stay_too():
    layer = RunningSum()
    network = nn.Sequential(nn.Linear(2, 2), layer)
    with frozen_statistics(network):
        network(torch.ones(3, 2))
    assert layer.total == 0
    network(torch.ones(3, 2))
    assert layer.total != 0


@pytest.mark.parametrize("changes", [{"discriminator_steps": 2}, {"reuse_fakes": False}])
def test_fresh_fakes_where_they_are_not_reused(changes):
    run = started(steps=1, **changes)
    calls, generator = count_calls(run.gan.generator), run.gan.generator
    run.step.begin(0)
    batch = run.table.batch(run._batches.order.batch(0))
    before = copied(generator)
    losses = run.step.discriminator_losses(batch)
    assert not calls[0][1].requires_grad  # no graph through the generator
    sum(losses.values()).backward()
    assert all(parameter.grad is None for parameter in generator.parameters())
    assert same(before, copied(generator))
    run._train_step()
    latents = [inputs[0] for inputs, _ in calls[1:]]
    assert len(latents) == run.settings.discriminator_steps + 1
    assert all(not torch.equal(a, b) for i, a in enumerate(latents) for b in latents[:i])
    assert int(generator[1].num_batches_tracked) == 1


def test_the_discriminator_step_gives_the_generator_no_gradient_with_reused_fakes():
    run = started(steps=1)
    run.step.begin(0)
    sum(run.step.discriminator_losses(run.table.batch(run._batches.order.batch(0))).values()).backward()
    assert all(parameter.grad is None for parameter in run.gan.generator.parameters())


def test_the_generator_step_gives_the_discriminator_no_gradient():
    run = started(steps=1)
    run._train_step()
    assert all(parameter.grad is None for parameter in run.gan.discriminator.parameters())
    assert all(parameter.requires_grad for parameter in run.gan.discriminator.parameters())


def test_frozen_layers_stay_as_they_are_and_in_eval_mode():
    gan = plain_gan()
    layers = gan.discriminator.layers
    layers[0] = nn.Sequential(spectral_norm(nn.Linear(2, 8)), nn.BatchNorm1d(8, affine=False), nn.Dropout(0.5))
    layers[0].requires_grad_(False)
    layers[1].requires_grad_(False)
    gan.generator[0].requires_grad_(False)
    frozen = {
        name: value
        for name, value in copied(gan.networks).items()
        if name.startswith(("discriminator.layers.0.", "discriminator.layers.1.", "generator.0."))
    }
    run = trainer(model=gan, data=points(), steps=3)
    modes = []
    layers[1].register_forward_hook(lambda module, *_: modes.append(module.training))
    run.fit()
    after = gan.networks.state_dict()
    assert frozen
    assert all(torch.equal(value, after[name]) for name, value in frozen.items())
    assert not torch.equal(after["discriminator.layers.3.weight"], plain_gan().discriminator.layers[3].weight)
    assert not any(modes)
    assert not any(parameter.requires_grad for parameter in layers[:2].parameters())
    assert all(p.requires_grad for p in layers[3].parameters())


def test_fakes_are_made_with_the_batchs_own_labels():
    model = create_model("mlp", sample_shape=[2], num_classes=3, latent_dim=4, generator_widths=[8])
    run = started(model, data=points(classes=3), steps=1, discriminator_steps=2)
    seen = {name: count_calls(network) for name, network in model.networks.items()}
    run._train_step()
    labels = [run.table.batch(run._batches.order.batch(number)).condition for number in (0, 1)]
    generated = [inputs[1] for inputs, _ in seen["generator"]]
    judged = [inputs[1] for inputs, _ in seen["discriminator"]]
    assert all(torch.equal(a, b) for a, b in zip(generated, [labels[0], labels[1], labels[1]], strict=True))
    expected = [labels[0]] * 2 + [labels[1]] * 3
    assert all(torch.equal(a, b) for a, b in zip(judged, expected, strict=True))


def test_the_condition_goes_only_to_networks_that_declare_one():
    conditional = create_model("mlp", sample_shape=[2], num_classes=3, latent_dim=4, generator_widths=[8])
    gan = GAN(generator=conditional.generator, discriminator=PlainDiscriminator(), latent_dim=4, sample_shape=(2,))
    run = trainer(model=gan, data=points(classes=3), steps=2)  # PlainDiscriminator takes one argument
    run.fit()
    assert len(gan.discriminator.seen) == 6


def test_lazy_penalties_add_up_to_eager_ones():
    def total(every):
        torch.manual_seed(0)
        gan = GAN(
            generator=nn.Linear(4, 2),
            discriminator=nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)),
            latent_dim=4,
            sample_shape=(2,),
        )
        run = started(gan, objective=NonSaturating() + 0.5 * R1(3.0, every=every))
        batch = run.table.batch(torch.arange(16))
        found = []
        for index in range(4):
            run.step.begin(index)
            losses = run.step.discriminator_losses(batch)
            found.append(losses["r1"].item() if "r1" in losses else 0)
        return found

    eager, lazy = total(1), total(4)
    assert lazy[1:] == [0, 0, 0]
    assert sum(lazy) == pytest.approx(sum(eager), rel=1e-6)
    assert sum(eager) > 0


@dataclass(frozen=True)
class Targets(AdversarialLoss):
    """Notes the targets it is given."""

    binary_targets: ClassVar[bool] = True
    seen: ClassVar[list[tuple[object, object]]] = []

    def discriminator(self, real_logits, fake_logits, real_targets=1.0, fake_targets=0.0):
        self.seen.append((real_targets, fake_targets))
        return real_logits.mean() + fake_logits.mean()

    def generator(self, fake_logits, real_logits=None):
        return fake_logits.mean()


def test_label_tricks_set_the_discriminators_targets():
    from ganzoo.losses.label_noise import LabelNoise

    Targets.seen.clear()
    run = started(objective=Targets() + LabelNoise(0.7, 0.9), steps=2)
    run._train_step()
    run._train_step()
    (first, fake), (second, _) = Targets.seen
    assert first.shape == (16,)
    assert 0.7 <= float(first.min()) < float(first.max()) <= 0.9
    assert not torch.equal(first, second)
    assert not fake.any()
    Targets.seen.clear()
    started(objective=Targets(), steps=1)._train_step()
    assert Targets.seen == [(1.0, 0.0)]


def test_discriminator_weight_scales_the_discriminators_gradient_alone():
    def gradients(weight):
        run = started(steps=1, optimizer="sgd", beta1=0.0, learning_rate=1e-9, discriminator_weight=weight)
        run._train_step()
        values = run.monitor.values
        return float(values["discriminator_gradient_norm"]), float(values["generator_gradient_norm"])

    (full, generator), (half, same_generator) = gradients(1.0), gradients(0.5)
    assert half == pytest.approx(full / 2, rel=1e-5)
    assert same_generator == pytest.approx(generator, rel=1e-4)


class ShowsItsWeights(nn.Module):
    """Notes the weights that autocast hands to a product: its rows come out of the product with the identity."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1, bias=False)
        self.products, self.weights = [], []

    def forward(self, sample):
        self.products.append(self.linear(torch.eye(2)).detach().flatten())
        self.weights.append(self.linear.weight.detach().to(torch.bfloat16).flatten())
        return self.linear(sample).squeeze(1)


@pytest.mark.parametrize(("around_the_step", "stale"), [(False, False), (True, True)])
def test_no_forward_sees_a_cast_of_weights_from_before_an_update(around_the_step, stale):
    """The second case shows that the test notices the trap: one autocast context around the whole step."""
    torch.manual_seed(0)
    discriminator = ShowsItsWeights()
    gan = GAN(generator=nn.Linear(4, 2), discriminator=discriminator, latent_dim=4, sample_shape=(2,))
    run = started(gan, steps=1, precision="bf16", discriminator_steps=2, learning_rate=0.5)
    with torch.autocast("cpu", dtype=torch.bfloat16) if around_the_step else nullcontext():
        run._train_step()
    assert discriminator.products[0].dtype == torch.bfloat16
    fresh = [torch.equal(*pair) for pair in zip(discriminator.products, discriminator.weights, strict=True)]
    assert len(fresh) == 5  # real and fake twice, and the generator's
    assert all(fresh) is not stale


def test_the_generator_step_sees_the_updated_discriminator_in_bf16():
    torch.manual_seed(0)
    discriminator = ShowsItsWeights()
    gan = GAN(generator=nn.Linear(4, 2), discriminator=discriminator, latent_dim=4, sample_shape=(2,))
    started(gan, steps=1, precision="bf16", learning_rate=0.5)._train_step()
    assert not torch.equal(discriminator.products[1], discriminator.products[2])  # it was updated in between
    assert torch.equal(discriminator.products[2], discriminator.linear.weight.detach().to(torch.bfloat16).flatten())


def test_penalties_are_computed_without_autocast():
    dtypes = []

    class Probe(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def forward(self, sample):
            logits = self.linear(sample)
            dtypes.append((sample.dtype, logits.dtype))
            return logits.squeeze(1)

    gan = GAN(generator=nn.Linear(4, 2), discriminator=Probe(), latent_dim=4, sample_shape=(2,))
    started(gan, objective="non_saturating + r1(1.0)", steps=1, precision="bf16")._train_step()
    assert [logits for _, logits in dtypes] == [torch.bfloat16, torch.bfloat16, torch.float32, torch.bfloat16]


@dataclass(frozen=True)
class Notes(GeneratorTerm):
    """Notes what a term of the generator's is given."""

    uses_features: ClassVar[bool] = True
    seen: ClassVar[list[dict[str, object]]] = []

    def value(self, fake, real, target, condition, features):
        found = features(fake)
        self.seen.append({"fake": fake, "real": real, "target": target, "condition": condition, "features": found})
        return fake.square().mean()


def tiny(model, data, **changes):
    args = {"base_channels": 4} | ({} if model == "pix2pix" else {"latent_dim": 4})
    run = trainer(model=model, data=data, model_args=args, steps=1, **changes)
    for network in run.gan.networks.values():
        train_mode(network)
    return run


@pytest.mark.parametrize("changes", [{}, {"discriminator_steps": 2}, {"reuse_fakes": False}, {"precision": "bf16"}])
@pytest.mark.parametrize(("model", "data"), [("pix2pix", pairs()), ("cgan", described(side=16))])
def test_generator_terms_get_the_fakes_and_what_they_are_made_from(model, data, changes):
    run = tiny(model, data, objective=NonSaturating() + 2 * Notes(), **changes)
    Notes.seen.clear()  # the trainer has tried the term once
    generated = count_calls(run.gan.generator)
    calls = count_calls(run.gan.discriminator)
    run._train_step()
    (given,) = Notes.seen
    batch = data.batch(run._batches.order.batch(run.settings.discriminator_steps - 1))
    assert given["fake"].requires_grad
    assert given["fake"].dtype == torch.float32
    assert torch.equal(given["fake"], generated[-1][1].float())
    assert torch.equal(given["real"], batch.sample)
    assert torch.equal(given["condition"], batch.condition)
    assert (given["target"] is None) is (model == "cgan")
    assert model == "cgan" or torch.equal(given["target"], batch.sample)
    assert [feature.dtype for feature in given["features"]] == [torch.float32] * len(given["features"])
    assert given["features"][0].requires_grad
    # The discriminator sees real and fake in each of its steps, and the fakes in the generator's.
    assert len(calls) == 2 * run.settings.discriminator_steps + 1
    moved = {int(value) for name, value in statistics(run.gan.discriminator).items() if name.endswith("tracked")}
    assert moved == {2 * run.settings.discriminator_steps}
    assert all(parameter.grad is None for parameter in run.gan.discriminator.parameters())
    terms = {name: float(value) for name, value in run.monitor.values.items() if name.startswith("generator_")}
    assert terms["generator_Notes"] == pytest.approx(2 * given["fake"].square().mean().item(), rel=1e-5)
    assert terms["generator_loss"] == pytest.approx(
        terms["generator_non_saturating"] + terms["generator_Notes"], rel=1e-5
    )


def test_sources_go_to_both_networks_and_no_latent_to_a_generator_without():
    run = tiny("pix2pix", pairs())
    seen = {name: count_calls(network) for name, network in run.gan.networks.items()}
    run._train_step()
    sources = run.table.batch(run._batches.order.batch(0)).condition
    (generated,) = seen["generator"]
    assert generated[0][0] is None
    assert torch.equal(generated[0][1], sources)
    assert len(seen["discriminator"]) == 3
    assert all(torch.equal(inputs[1], sources) for inputs, _ in seen["discriminator"])


def test_targets_of_patches_are_one_a_sample():
    from ganzoo.losses.label_noise import LabelNoise

    Targets.seen.clear()
    tiny("pix2pix", pairs(), objective=Targets() + LabelNoise(0.7, 0.9))._train_step()
    ((real, fake),) = Targets.seen
    assert real.shape == fake.shape == (16, 1, 1, 1)
    assert 0.7 <= float(real.min()) < float(real.max()) <= 0.9


@pytest.mark.parametrize("objective", ["relativistic", "relativistic_average"])
def test_real_logits_for_the_generator_take_no_gradient_and_move_no_statistics(objective):
    run = started(objective=objective, steps=1)
    calls = count_calls(run.gan.discriminator)
    run._train_step()
    assert [output.requires_grad for _, output in calls] == [True, True, True, False]
    assert torch.equal(calls[0][0][0], calls[3][0][0])
    assert int(run.gan.discriminator.layers[1].num_batches_tracked) == 2


def test_a_penalty_is_computed_with_the_batchs_own_condition():
    data = described()
    args = {"base_channels": 4, "latent_dim": 4, "discriminator_normalization": "spectral"}
    run = trainer(model="cgan", data=data, model_args=args, objective="non_saturating + r1(1.0)", steps=1)
    calls = count_calls(run.gan.discriminator)
    run._train_step()
    vectors = data.batch(run._batches.order.batch(0)).condition
    assert len(calls) == 4  # real, fake, penalty, generator
    assert all(torch.equal(inputs[1], vectors) for inputs, _ in calls)
