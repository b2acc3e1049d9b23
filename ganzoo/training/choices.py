"""What fine-tuning chooses where nobody did, from the number of samples, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ganzoo import plugins
from ganzoo.config import build_config
from ganzoo.data.table import Table
from ganzoo.errors import ConfigError, DataError, GanzooError, InputError, MissingExtraError
from ganzoo.gan import GAN
from ganzoo.losses.objective import Objective
from ganzoo.losses.parsing import read_objective
from ganzoo.metrics.extractors import load_extractors
from ganzoo.metrics.fidelity import fidelity_version
from ganzoo.metrics.judge import describe_judge
from ganzoo.metrics.points import MIXTURES
from ganzoo.metrics.reference import open_reference_of
from ganzoo.training.recipes import DEFAULT_OBJECTIVE
from ganzoo.training.settings import Settings

# Taken over from the pretrained model's training, where its config.json has them.
CARRIED = (
    "optimizer",
    "learning_rate",
    "beta1",
    "beta2",
    "discriminator_steps",
    "discriminator_weight",
    "reuse_fakes",
    "weights_dtype",
)

REPEATS = 400  # how often each sample is shown
LEAST_IMAGES, MOST_IMAGES = 40_000, 1_000_000
FEW, SOME = 1_000, 20_000  # samples: below, a discriminator soon knows them all by heart
LEAST_BATCH = 8
EVALUATED = 2_000  # samples drawn for each evaluation
PATIENCE = 3  # evaluations
ANY_BUDGET = 10**15  # images; more than anything that is compared with a budget


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One setting that was chosen.

    Attributes:
        name: The setting's.
        value: What was chosen.
        reason: Why, in words.
    """

    name: str
    value: Any
    reason: str


def check_given(given: Mapping[str, Any]) -> Settings:
    """Check the settings that were given, as far as they can be before the others are chosen.

    Args:
        given: The settings by name.

    Returns:
        They among the settings' defaults.

    Raises:
        ConfigError: One of them is unknown, or has a value that it does not take.
    """
    # What is to improve for a patient run may be chosen later, as may the budget.
    known = {name: value for name, value in given.items() if name != "patience_images"}
    return build_config(Settings, {"images": ANY_BUDGET, **known}, "training")


def choose_objective(pretrained: GAN, gan: GAN, given: object) -> tuple[Objective, Choice | None]:
    """Return the objective: what was given, or the pretrained model's, where that can be read and fits.

    Args:
        pretrained: The pretrained model.
        gan: What is to be trained.
        given: What was asked for, as `Trainer` takes it, or None.
    """
    if given is not None:
        return read_objective(given), None  # type: ignore[arg-type]
    text = pretrained.config.training.get("objective")
    try:
        if not isinstance(text, str):
            raise InputError("its config.json names none")
        objective = read_objective(text)
        for name, network in gan.networks.items():
            if name.startswith("discriminator"):
                objective.check(network, paired=gan.condition.kind == "image")
    except GanzooError as error:
        reason = f"the pretrained model's cannot be used: {error}"
        return read_objective(DEFAULT_OBJECTIVE), Choice(name="objective", value=DEFAULT_OBJECTIVE, reason=reason)
    return objective, Choice(name="objective", value=str(objective), reason="as the pretrained model")


def choose_settings(
    pretrained: GAN,
    table: Table,
    objective: Objective,
    given: Mapping[str, Any],
    *,
    freezable: int,
    layers: int,
    can_keep: bool,
) -> list[Choice]:
    """Choose the settings of a run that nobody gave.

    Args:
        pretrained: The pretrained model.
        table: What it is fine-tuned on.
        objective: What it is fine-tuned with.
        given: The settings that were given.
        freezable: How many of the discriminator's lower layers are all as published.
        layers: How many it has.
        can_keep: There is a folder to keep the best model in.
    """
    count, before = len(table), _training(pretrained)
    made: list[Choice] = []

    def choose(name: str, value: Any, reason: str) -> Any:
        if name in given:
            return given[name]
        made.append(Choice(name=name, value=value, reason=reason))
        return value

    for name in CARRIED:
        if name in before and before[name] != getattr(Settings, name):
            choose(name, before[name], "as the pretrained model")
    rate, own = (before.get(name) for name in ("learning_rate", "discriminator_learning_rate"))
    if own and own != rate and "learning_rate" not in given:
        choose("discriminator_learning_rate", own, "as the pretrained model")
    usual = before.get("batch_size", Settings.batch_size)
    batch = usual
    while batch > count // 2 and batch > LEAST_BATCH:
        batch = max(batch // 2, LEAST_BATCH)
    if batch != usual:
        until = f"it is at most half of the {count:,} samples" if batch <= count // 2 else f"{LEAST_BATCH} are left"
        choose("batch_size", batch, f"{usual} halved until {until}")
    elif usual != Settings.batch_size:
        choose("batch_size", usual, "as the pretrained model")
    shown = pretrained.config.training.get("images_shown")
    most = max(LEAST_IMAGES, min(MOST_IMAGES, shown // 2 if isinstance(shown, int) else MOST_IMAGES))
    budget = min(max(LEAST_IMAGES, REPEATS * count), most)
    repeats = f"each of {count:,} samples about {budget / count:,.0f} times"
    images = choose("images", budget, repeats + ("; more would be learned by heart" if count < FEW else ""))
    half_life = before.get("ema_half_life_images", Settings.ema_half_life_images)
    if images // 10 < half_life:
        choose("ema_half_life_images", max(images // 10, 1), "a tenth of the budget")
    elif half_life != Settings.ema_half_life_images:
        choose("ema_half_life_images", half_life, "as the pretrained model")
    _choose_augmentation(choose, table, objective)
    _choose_frozen(choose, count, freezable, layers)
    if "best_by" not in given:
        number, reason = choose_number(pretrained, table) if can_keep else ("", "no folder to keep the best model in")
        choose("best_by", number, reason)
        if number:
            choose("evaluate_samples", EVALUATED, "enough to compare models of one run")
            # Evaluations come every so many whole steps.
            known = {**{each.name: each.value for each in made}, **given}
            stepping = {name: known[name] for name in ("batch_size", "discriminator_steps") if name in known}
            settings = Settings(images=images, **stepping)
            interval = settings.interval(given.get("evaluate_every_images") or images / 10)
            patience = PATIENCE * interval * settings.images_per_step
            choose("patience_images", patience, "three evaluations without a better one")
    return made


def _training(pretrained: GAN) -> dict[str, Any]:
    """Return the settings in a model's config.json that are settings here too, and have their type."""
    found = {}
    for field in fields(Settings):
        value = pretrained.config.training.get(field.name, ...)
        try:
            build_config(Settings, {"images": 1, field.name: value}, "training")
        except ConfigError:
            continue
        found[field.name] = value
    return found


def _choose_augmentation(choose: Any, table: Table, objective: Objective) -> None:
    count, can_adapt = len(table), objective.adversarial.undecided_logit is not None
    if len(table.sample_shape) != 3 or table.sources is not None:
        return
    if count < FEW:
        choose("augment", "diffaugment", f"{count:,} pictures: the discriminator would soon know them by heart")
    elif count < SOME and can_adapt:
        choose("augment", "ada", f"{count:,} pictures: as much as the discriminator turns out to need")
    elif count < SOME:
        choose("augment", "diffaugment", f"{count:,} pictures, and ada cannot adapt to a loss that compares logits")
    else:
        choose("augment", "", f"{count:,} pictures are enough")


def _choose_frozen(choose: Any, count: int, freezable: int, layers: int) -> None:
    wanted = layers // 2 if count < SOME else 0
    frozen = min(wanted, freezable)
    if not wanted:
        reason = f"{count:,} samples are enough for all layers" if count >= SOME else "it has one layer"
    elif frozen < wanted:
        kept = f"only the lowest {freezable} of {layers} layers are" if freezable else "the lowest layer is not"
        reason = f"{kept} as published; what is new or changed must learn"
    else:
        reason = f"the lower half of {layers} layers keeps what it knows"
    choose("freeze_discriminator_layers", frozen, reason)


def choose_number(pretrained: GAN, table: Table) -> tuple[str, str]:
    """Return the number of `ganzoo.evaluate` that the best model can be told by, or none, and why.

    Args:
        pretrained: The pretrained model.
        table: What it is fine-tuned on.
    """
    if table.sources is not None and not table.paired:
        return "", "unpaired data has no targets"
    if pretrained.condition.kind == "image":
        return "absolute error", "of the test split's translations"
    if table.sample_shape == (1,):
        return "Wasserstein-1", "the distance to the data"
    if len(table.sample_shape) != 3:
        fits = table.name in MIXTURES
        return ("high quality", "the share near a mode") if fits else ("", "nothing here measures such samples")
    try:
        label = load_extractors(None, table)[0].name
        fidelity_version()
        reference = open_reference_of(table)
    except (InputError, DataError, MissingExtraError) as error:
        return "", f"no number can tell the best: {_first_clause(error)}"
    test, features = reference.test, describe_judge(plugins.find("judge", label)).features
    if len(test) <= features:
        return (
            "",
            f"no number can tell the best: {label} needs more than {features} held-out pictures, not {len(test):,}",
        )
    if test.fingerprint() == table.fingerprint():
        return "", "no number can tell the best: nothing is held out, and copies of what was seen would win"
    return f"FCD[{label}]", f"against {len(test):,} held-out pictures"


def _first_clause(error: Exception) -> str:
    return str(error).partition(";")[0]


def lines(choices: Sequence[Choice]) -> list[str]:
    """Return choices as lines with aligned columns."""
    shown = [(each.name, _as_text(each.value), each.reason) for each in choices]
    widths = [max((len(row[k]) for row in shown), default=0) for k in range(2)]
    return [f"  {name:<{widths[0]}}  {value:<{widths[1]}}  {reason}" for name, value, reason in shown]


def _as_text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value) or "none"
