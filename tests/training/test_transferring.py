import pytest
import torch
from torch import nn

from ganzoo import create_model
from ganzoo.augmentations.augmentation import colours
from ganzoo.errors import WeightsError
from ganzoo.training.transferring import Classes, fresh_transfer, plan_transfer

SMALL = {"channels": 1, "latent_dim": 3, "base_channels": 4, "generator_hidden": 5, "discriminator_hidden": 6}


def build(architecture="dcgan", seed=0, **arguments):
    torch.manual_seed(seed)
    model = create_model(architecture, **{**(SMALL if architecture in ("dcgan", "cgan") else {}), **arguments})
    for network in model.networks.values():
        for buffer in network.buffers():  # as if trained
            if buffer.is_floating_point():
                buffer.uniform_()
    return model


def transferred(source, target, network, **classes):
    """Return the plan, and the state of the new network with it."""
    plan = plan_transfer(network, source.networks[network], target.networks[network], Classes(**classes))
    plan.copy_into(target.networks[network])
    return plan, target.networks[network].state_dict()


def test_the_same_networks_are_kept_to_the_bit():
    before = build(image_size=16)
    for name in ("generator", "discriminator"):
        plan, state = transferred(before, build(image_size=16, seed=1), name)
        assert plan.is_whole
        assert plan.new_parameters == 0
        source = before.networks[name].state_dict()
        assert all(torch.equal(state[key], source[key]) for key in source)


def test_another_size_keeps_exactly_the_stages_next_to_the_picture():
    before, after = build(image_size=16), build(image_size=32, seed=1)  # base 4, two stages; base 4, three
    fresh = {key: value.clone() for key, value in after.generator.state_dict().items()}
    source = before.generator.state_dict()
    plan, state = transferred(before, after, "generator")
    shift = {f"layers.{k}": f"layers.{k - 3}" for k in (3, 5, 6, 8)}  # the other's three layers come before
    expected = {key: key for key in source if key.startswith("hidden")}
    for new, old in shift.items():
        names = [key for key in source if key.startswith(f"{old}.")]
        expected |= {key.replace(old, new): key for key in names}
    assert set(plan.named("kept")) == set(expected)
    for key, origin in expected.items():
        assert torch.equal(state[key], source[origin]), key
    assert set(plan.named("new")) == set(fresh) - set(expected)
    assert all(torch.equal(state[key], fresh[key]) for key in plan.named("new"))
    assert plan.left == ("project.weight",)
    kept = sum(source[key].numel() for key in expected.values() if "running" not in key and "num_" not in key)
    assert plan.parameters - plan.new_parameters == kept


def test_another_size_of_the_discriminator_keeps_its_lower_blocks_and_takes_no_hidden_layer_for_a_block():
    # The hidden layer of the smaller has the shape of a block of the larger: both see 8 channels, 4x4, and give 16.
    before, after = build(image_size=16, discriminator_hidden=16), build(image_size=32, discriminator_hidden=16, seed=1)
    plan, state = transferred(before, after, "discriminator")
    source = before.discriminator.state_dict()
    assert source["blocks.2.0.weight"].shape == state["blocks.2.0.weight"].shape
    kept = plan.named("kept")
    assert [key for key in kept if key.startswith("blocks.2")] == []
    lower = [key for key in source if key.startswith(("blocks.0", "blocks.1"))]
    assert set(lower) <= set(kept)
    assert all(torch.equal(state[key], source[key]) for key in lower)


def test_another_base_draws_the_projection_anew_even_where_its_shape_is_the_same():
    before, after = build(image_size=(16, 36)), build(image_size=(24, 24), seed=1)  # 4x9 and 6x6 positions
    assert before.generator.project.weight.shape == after.generator.project.weight.shape
    plan, _ = transferred(before, after, "generator")
    assert plan.named("new") == ["project.weight"]


@pytest.mark.parametrize("architecture", ["dcgan", "mlp"])
def test_grey_to_colour_gives_grey_pictures_and_the_same_logits_on_them(architecture):
    if architecture == "dcgan":
        before, after = build(image_size=16).eval(), build(image_size=16, channels=3, seed=1).eval()
    else:
        small = {"generator_widths": (6,), "discriminator_widths": (6,), "latent_dim": 3}
        before = build("mlp", sample_shape=(1, 4, 4), **small).eval()
        after = build("mlp", sample_shape=(3, 4, 4), seed=1, **small).eval()
    plan, _ = transferred(before, after, "generator")
    assert plan.new_parameters == 0
    assert len(plan.named("fitted")) == 2
    latents = torch.randn(4, 3)
    grey, coloured = before.generator(latents), after.generator(latents)
    torch.testing.assert_close(coloured, grey.expand(-1, 3, -1, -1))
    plan, _ = transferred(before, after, "discriminator")
    assert len(plan.named("fitted")) == 1
    torch.testing.assert_close(after.discriminator(coloured), before.discriminator(grey))


def test_colour_to_grey_gives_the_mean_and_the_same_logits_on_grey_pictures():
    before, after = build(image_size=16, channels=3).eval(), build(image_size=16, seed=1).eval()
    transferred(before, after, "generator")
    transferred(before, after, "discriminator")
    latents = torch.randn(4, 3)
    mean = torch.atanh(before.generator(latents).double()).mean(1, keepdim=True)
    torch.testing.assert_close(torch.atanh(after.generator(latents).double()), mean, atol=1e-5, rtol=1e-4)
    grey = torch.rand(4, 1, 16, 16)
    torch.testing.assert_close(after.discriminator(grey), before.discriminator(grey.expand(-1, 3, -1, -1)))


def test_transparency_is_new_beside_kept_colours():
    before, after = build(image_size=16, channels=3), build(image_size=16, channels=4, seed=1)
    fresh = after.generator.layers[5].weight.detach().clone()
    plan, state = transferred(before, after, "generator")
    assert plan.named("kept in part") == ["layers.5.weight", "layers.5.bias"]
    assert torch.equal(state["layers.5.weight"][:, :3], before.generator.layers[5].weight)
    assert torch.equal(state["layers.5.weight"][:, 3:], fresh[:, 3:])
    assert plan.new_parameters == fresh[:, 3:].numel() + 1


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3), (3, 2), (2, 4), (4, 2), (4, 1), (1, 4), (4, 3)])
def test_transparency_goes_to_transparency_and_colours_to_colours(before, after):
    small = {"generator_widths": (6,), "discriminator_widths": (6,), "latent_dim": 3}
    old, new = (build("mlp", sample_shape=(n, 4, 4), seed=n, **small).eval() for n in (before, after))
    fresh = new.generator.state_dict()["output.weight"].clone()
    _, state = transferred(old, new, "generator")
    was, now, unused = (
        weights.unflatten(0, (-1, 16)) for weights in (old.generator.output.weight, state["output.weight"], fresh)
    )
    seen, wanted = colours(before), colours(after)
    expected = was[:seen] if seen == wanted else was[:seen].mean(0, keepdim=True).expand(wanted, -1, -1)
    torch.testing.assert_close(now[:wanted], expected)
    if wanted < after:
        assert torch.equal(now[wanted], was[seen] if seen < before else unused[wanted])
    # Logits on grey pictures are the same, with any transparency that both know, and else with zeros for it.
    transferred(old, new, "discriminator")
    grey = torch.rand(4, 1, 4, 4)
    alpha = torch.rand(4, 1, 4, 4) if seen < before and wanted < after else torch.zeros(4, 1, 4, 4)
    given, taken = (torch.cat([grey.expand(-1, colours(n), -1, -1), alpha], 1)[:, :n] for n in (before, after))
    torch.testing.assert_close(new.discriminator(taken), old.discriminator(given))


def test_an_unconditional_model_gets_labels_beside_its_latents_and_back():
    plain, labelled = build(image_size=16), build(image_size=16, num_classes=2, seed=1)
    fresh = labelled.generator.hidden[0].weight.detach().clone()
    plan, state = transferred(plain, labelled, "generator")
    assert plan.named("kept in part") == ["hidden.0.weight"]
    assert torch.equal(state["hidden.0.weight"][:, :3], plain.generator.hidden[0].weight)
    assert torch.equal(state["hidden.0.weight"][:, 3:], fresh[:, 3:])
    assert plan.new_parameters == 2 * 5
    plan, state = transferred(labelled, build(image_size=16, seed=2), "generator")
    assert plan.new_parameters == 0
    assert torch.equal(state["hidden.0.weight"], labelled.generator.hidden[0].weight[:, :3])
    plan, state = transferred(labelled, build(image_size=16, seed=2), "discriminator")
    assert torch.equal(state["blocks.0.0.weight"], labelled.discriminator.blocks[0][0].weight[:, :1])


def test_classes_go_by_their_names_and_the_trunk_is_kept():
    before = build("cgan", image_size=16, num_classes=3)
    after = build("cgan", image_size=16, num_classes=2, seed=1)
    fresh = after.generator.embedding.weight.detach().clone()
    plan, state = transferred(before, after, "generator", before=["cat", "dog", "cow"], after=["cow", "hen"])
    assert torch.equal(state["embedding.weight"][:, 0], before.generator.embedding.weight[:, 2])
    assert torch.equal(state["embedding.weight"][:, 1], fresh[:, 1])
    assert [each.reason for each in plan.decisions if each.kind != "kept"] == [
        "1 of 2 classes kept by their names, 2 others left out"
    ]
    plan, _ = transferred(
        before, build("cgan", image_size=16, num_classes=3, seed=2), "generator", before="abc", after="xyz"
    )
    assert plan.named("new") == ["embedding.weight"]
    assert len(plan.named("kept")) == len(plan.decisions) - 1


def test_a_vector_is_no_set_of_classes():
    before = build("cgan", image_size=16, num_classes=3)
    after = build("cgan", image_size=16, condition_dim=3, seed=1)
    plan, _ = transferred(before, after, "generator")
    assert plan.named("new") == ["embedding.weight"]
    plan, _ = transferred(before, after, "discriminator")
    assert plan.named("kept in part") == ["trunk.blocks.0.0.weight"]


def test_a_deeper_u_net_keeps_its_outer_blocks():
    before, after = (build("pix2pix", image_size=side, base_channels=2, depth=k) for side, k in ((32, 3), (64, 4)))
    plan, state = transferred(before, after, "generator")
    source = before.generator.state_dict()
    assert torch.equal(state["decoder.2.1.weight"], source["decoder.1.1.weight"])
    assert torch.equal(state["encoder.1.1.weight"], source["encoder.1.1.weight"])
    assert "decoder.0.1.weight" in plan.named("new")


def test_spectral_norm_is_taken_over_with_its_vectors_where_they_fit():
    before = build(image_size=16, discriminator_normalization="spectral")
    after = build(image_size=16, channels=3, discriminator_normalization="spectral", seed=1)
    plan, state = transferred(before, after, "discriminator")
    assert plan.named("fitted") == ["blocks.0.0.parametrizations.weight.original"]
    assert plan.named("new") == ["blocks.0.0.parametrizations.weight.0._v"]
    assert plan.new_parameters == 0
    assert torch.equal(
        state["blocks.0.0.parametrizations.weight.0._u"],
        before.discriminator.state_dict()["blocks.0.0.parametrizations.weight.0._u"],
    )


def test_plain_modules_go_by_name_and_shape():
    torch.manual_seed(0)
    before, after = (
        nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)),
        nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)),
    )
    plan = plan_transfer("discriminator", before, after)
    assert (plan.named("kept"), plan.named("new")) == (["0.weight", "0.bias"], ["1.weight", "1.bias"])
    assert [each.reason for each in plan.decisions[2:]] == ["it was 1x3", "it was 1"]


def test_the_copy_is_strict():
    plan = fresh_transfer("generator", nn.Linear(2, 3), "")
    with pytest.raises(WeightsError, match="missing"):
        plan.copy_into(nn.Sequential(nn.Linear(2, 3)))


def test_the_plan_in_words_names_what_is_new_and_groups_what_is_kept():
    plan, _ = transferred(build(image_size=16), build(image_size=32, seed=1), "generator")
    text = "\n".join(plan.lines())
    assert text.startswith("generator: ")
    assert "new           project.weight (1,280 parameters, 256x5): it was 128x5" in text
    assert "layers.5 (512)" in text
    assert "left out      project.weight" in text
    whole = transferred(build(image_size=16), build(image_size=16, seed=1), "generator")[0]
    assert len(list(whole.lines())) == 1
