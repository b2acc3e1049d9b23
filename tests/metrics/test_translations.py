import pytest
import torch

import ganzoo
from ganzoo.data.table import Table
from ganzoo.errors import InputError
from ganzoo.metrics.evaluation import evaluate
from ganzoo.metrics.pairs import gradient_magnitude, measure_pairs
from ganzoo.models.condition import Condition


def pairs(n=6, channels=1):
    rng = torch.Generator().manual_seed(0)
    return Table(
        torch.randint(0, 256, (n, 3, 16, 16), generator=rng, dtype=torch.uint8),
        sources=torch.randint(0, 256, (n, channels, 16, 16), generator=rng, dtype=torch.uint8),
        name="noise-test",
    )


class Copy(torch.nn.Module):
    """Gives its source back, darker by a constant."""

    latent_dim = 0
    sample_shape = (3, 16, 16)
    condition = Condition.image((1, 16, 16))

    def __init__(self, darker=0.0):
        super().__init__()
        self.darker = torch.nn.Parameter(torch.tensor(darker))

    def forward(self, latent, condition):
        return (condition - self.darker).clamp(-1, 1).expand(-1, 3, -1, -1)


def test_copying_scores_the_error_of_copying():
    data = pairs()
    values = measure_pairs(ganzoo.GAN(generator=Copy()), data, len(data))
    by_hand = (data.sources.float() - data.samples.float()).abs().mean() / 255
    assert values["absolute_error"] == pytest.approx(by_hand.item(), rel=1e-6)
    assert values["error_over_copying"] == pytest.approx(1, rel=1e-6)


def test_the_error_of_a_constant_shift_is_the_shift():
    sources = torch.full((4, 1, 16, 16), 200, dtype=torch.uint8)
    data = Table(sources.expand(-1, 3, -1, -1).contiguous(), sources=sources)
    values = measure_pairs(ganzoo.GAN(generator=Copy(darker=2 * 51 / 255)), data, 4)
    assert values["absolute_error"] == pytest.approx(0.2, abs=1e-6)
    assert "error_over_copying" not in values  # the source is the target


def test_as_many_pairs_are_measured_as_asked_for():
    data = pairs()
    first = measure_pairs(ganzoo.GAN(generator=Copy()), data, 2)["absolute_error"]
    by_hand = (data.sources[:2].float() - data.samples[:2].float()).abs().mean() / 255
    assert first == pytest.approx(by_hand.item(), rel=1e-6)


def test_gradient_magnitude_of_a_ramp():
    ramp = (3 * torch.arange(8)[None, :] + 4 * torch.arange(8)[:, None]).to(torch.uint8).expand(2, 3, 8, 8)
    assert gradient_magnitude(ramp).tolist() == [5, 5]
    assert gradient_magnitude(torch.zeros(1, 1, 8, 8, dtype=torch.uint8)).item() == 0


def test_a_blurred_translation_has_a_gradient_ratio_below_one():
    data = pairs()
    blurred = torch.nn.functional.avg_pool2d(data.samples.float(), 3, 1, 1).to(torch.uint8)
    assert gradient_magnitude(blurred).mean() < 0.7 * gradient_magnitude(data.samples).mean()


def test_evaluate_holds_translations_against_their_targets():
    data = pairs()
    gan = ganzoo.create_model("pix2pix", image_size=16, source_channels=1, base_channels=4, discriminator_depth=1)
    report = evaluate(gan, data)
    assert [each.name for each in report.measurements] == ["absolute error", "gradient ratio", "error over copying"]
    assert report["absolute error"].value == pytest.approx(measure_pairs(gan, data, 6)["absolute_error"])
    assert report["absolute error"].floor == 0
    assert report["gradient ratio"].floor == 1
    assert report["absolute error"].ceiling > 0
    assert report["absolute error"].protocol.labels == "the data's sources in turn, noise off"
    assert report["absolute error"].protocol.samples == 6


def test_what_cannot_be_compared_is_refused():
    gan = ganzoo.GAN(generator=Copy())
    with pytest.raises(InputError, match="holds no pairs of uint8 pictures; give paired data"):
        evaluate(gan, Table(pairs().samples))
    with pytest.raises(InputError, match="take no metrics and no features"):
        evaluate(gan, pairs(), features="judge-mnist")
    for samples in (-5, 0, "5"):
        with pytest.raises(InputError, match=r"samples is .* it takes a whole number from 1"):
            evaluate(gan, pairs(), samples=samples)
    small = Table(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), sources=torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(InputError, match=r"makes samples of shape \(3, 16, 16\), but data has \(3, 8, 8\)"):
        evaluate(gan, small)
