"""Terms of an objective: one readable file each. This file only registers them, and imports nothing heavy."""

from typing import TYPE_CHECKING

from ganzoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from ganzoo.registry import Registry


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the built-in terms."""
    registry.loss(
        "minimax",
        "ganzoo.losses.minimax:Minimax",
        summary="the original game, whose generator loss saturates",
        paper="Goodfellow et al. 2014, arXiv 1406.2661",
    )
    registry.loss(
        "non_saturating",
        "ganzoo.losses.non_saturating:NonSaturating",
        summary="the original game with the generator loss that does not saturate",
        paper="Goodfellow et al. 2014, section 3, arXiv 1406.2661",
    )
    registry.loss(
        "least_squares",
        "ganzoo.losses.least_squares:LeastSquares",
        summary="logits are pulled to 1 on real and 0 on fake",
        paper="Mao et al. 2017, section 3.2, arXiv 1611.04076",
    )
    registry.loss(
        "hinge",
        "ganzoo.losses.hinge:Hinge",
        summary="the discriminator learns within a margin; usual with spectral normalization",
        paper="Lim and Ye 2017, arXiv 1705.02894; Miyato et al. 2018, section 4, arXiv 1802.05957",
    )
    registry.loss(
        "wasserstein",
        "ganzoo.losses.wasserstein:Wasserstein",
        summary="the difference of mean logits; needs a bound on the discriminator's slope",
        paper="Arjovsky, Chintala, Bottou 2017, section 3, arXiv 1701.07875",
    )
    registry.loss(
        "relativistic",
        "ganzoo.losses.relativistic:Relativistic",
        summary="each real sample is judged against a fake one",
        paper="Jolicoeur-Martineau 2018, section 4.1, arXiv 1807.00734",
    )
    registry.loss(
        "relativistic_average",
        "ganzoo.losses.relativistic_average:RelativisticAverage",
        summary="each sample is judged against the mean of the other kind",
        paper="Jolicoeur-Martineau 2018, section 4.3, arXiv 1807.00734",
    )
    registry.loss(
        "label_smoothing",
        "ganzoo.losses.label_smoothing:LabelSmoothing",
        summary="real samples get a target below 1",
        paper="Salimans et al. 2016, section 3.4, arXiv 1606.03498",
    )
    registry.loss(
        "label_flip",
        "ganzoo.losses.label_flip:LabelFlip",
        summary="real and fake targets change places for a few samples",
        paper="Chintala et al. 2016, How to Train a GAN",
    )
    registry.loss(
        "label_noise",
        "ganzoo.losses.label_noise:LabelNoise",
        summary="real samples get a random target",
        paper="Chintala et al. 2016, How to Train a GAN",
    )
    registry.loss(
        "r1",
        "ganzoo.losses.r1:R1",
        summary="penalty on the discriminator's gradient at real samples",
        paper="Mescheder, Geiger, Nowozin 2018, arXiv 1801.04406",
    )
    registry.loss(
        "r2",
        "ganzoo.losses.r2:R2",
        summary="penalty on the discriminator's gradient at fakes",
        paper="Mescheder, Geiger, Nowozin 2018, section 4.1, arXiv 1801.04406",
    )
    registry.loss(
        "gradient_penalty",
        "ganzoo.losses.gradient_penalty:GradientPenalty",
        summary="penalty on gradient norms other than 1 between real samples and fakes",
        paper="Gulrajani et al. 2017, section 4, arXiv 1704.00028",
    )
    registry.loss(
        "weight_clipping",
        "ganzoo.losses.weight_clipping:WeightClipping",
        summary="the discriminator's weights are cut off after each of its steps",
        paper="Arjovsky, Chintala, Bottou 2017, section 3, arXiv 1701.07875",
    )
    registry.loss(
        "l1",
        "ganzoo.losses.l1:L1",
        summary="the generator's mean absolute difference to the target; needs paired data",
        paper="Isola et al. 2017, section 3.1, arXiv 1611.07004",
    )
    registry.loss(
        "l2",
        "ganzoo.losses.l2:L2",
        summary="the generator's mean squared difference to the target; needs paired data",
        paper="Pathak et al. 2016, section 3.2, arXiv 1604.07379",
    )
    registry.loss(
        "feature_matching",
        "ganzoo.losses.feature_matching:FeatureMatching",
        summary="fakes get the mean discriminator features of real samples",
        paper="Salimans et al. 2016, section 3.1, arXiv 1606.03498",
    )
