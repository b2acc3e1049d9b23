"""The settings of a run, checked once, and as they are written to config.toml."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import torch

from ganzoo.augmentations.parsing import read_augmentation, text_of
from ganzoo.errors import ConfigError
from ganzoo.inference import has_device
from ganzoo.training.schedules import check_schedule

Precision = Literal["auto", "fp64", "fp32", "bf16", "fp16"]
Decay = Literal["none", "linear", "cosine", "step", "multistep", "poly", "tanh", "wsd"]  # from step on as timm does


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train. Budgets, intervals and half-lives are counted in images shown to the discriminator as real."""

    images: int
    batch_size: int = 64
    discriminator_steps: int = 1  # discriminator steps for each generator step
    precision: Precision = "auto"
    seed: int = 0
    optimizer: str = "adam"
    learning_rate: float = 2e-4
    discriminator_learning_rate: float = 0.0  # 0: as the generator's
    beta1: float = 0.5  # of optimizers that take it, also timm's; 0 is usual with r1
    beta2: float = 0.999  # likewise
    learning_rate_decay: Decay = "none"  # linear, cosine, poly, tanh and wsd go to 0 at the last image
    learning_rate_warmup_images: int = 0  # rise from 0 over so many images, which are a part of the budget
    learning_rate_decay_images: int = 0  # step: from one step down to the next; wsd: the last part, 0: a fifth
    learning_rate_decay_rate: float = 0.1  # step and multistep: the factor of a step down; poly: the power
    learning_rate_milestones: tuple[int, ...] = ()  # multistep: after how many images to step down
    ema_half_life_images: int = 10_000
    reuse_fakes: bool = True  # the generator learns from the fakes the discriminator has just seen
    discriminator_weight: float = 1.0
    freeze_discriminator_layers: int = 0  # how many layers of discriminators stay as they are, from the sample upwards
    flip: bool = False  # mirror pictures left to right half of the time, a source together with its target
    shift: int = 0  # cut pictures out of themselves, padded by so many pixels, a source together with its target
    augment: str = ""  # what is done to all the discriminator sees, such as "diffaugment" or "ada(target=0.6)"
    log_every_images: int = 0  # 0: a hundredth of the budget
    checkpoint_every_images: int = 0  # 0: a tenth of the budget
    sample_every_images: int = 0  # 0: a tenth of the budget
    evaluate_every_images: int = 0  # 0: never; with best_by a tenth of the budget
    evaluate_samples: int = 0  # how many are drawn to evaluate; 0: as `ganzoo.evaluate` does
    best_by: str = ""  # keep the model that is best by this number of `ganzoo.evaluate`, such as "FCD[judge-mnist]"
    patience_images: int = 0  # stop when that number has not improved for so many images; 0: never
    keep_checkpoints: int = 2
    device: str = "auto"  # auto: the first CUDA card, else the processor
    weights_dtype: Literal["float32", "float16"] = "float32"  # how the finished model is stored
    compile: bool = False  # run forward passes through torch.compile
    synchronize_batch_norm: bool = False  # normalize by the whole batch where several processes share it
    process_timeout_seconds: int = 300  # how long one process waits for another

    def __post_init__(self) -> None:
        least = {
            "images": 1,
            "batch_size": 1,
            "discriminator_steps": 1,
            "seed": 0,
            "learning_rate_warmup_images": 0,
            "learning_rate_decay_images": 0,
            "ema_half_life_images": 0,
            "shift": 0,
            "log_every_images": 0,
            "checkpoint_every_images": 0,
            "sample_every_images": 0,
            "evaluate_every_images": 0,
            "evaluate_samples": 0,
            "patience_images": 0,
            "freeze_discriminator_layers": 0,
            "keep_checkpoints": 2,
            "process_timeout_seconds": 1,
        }
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ConfigError(f"training: {name} is {getattr(self, name)}; it takes a whole number from {low} up")
        for name in ("learning_rate", "discriminator_weight"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"training: {name} is {getattr(self, name)}; it takes a number above 0")
        if self.discriminator_learning_rate < 0:
            raise ConfigError(
                f"training: discriminator_learning_rate is {self.discriminator_learning_rate}; "
                "it takes a number above 0, or 0 for the generator's"
            )
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ConfigError(f"training: beta1 is {self.beta1} and beta2 is {self.beta2}; each takes 0 up to below 1")
        check_schedule(self)
        if self.patience_images and not self.best_by:
            raise ConfigError(
                f"training: patience_images is {self.patience_images}, and nothing says what is to improve; give "
                "best_by, such as best_by='FCD[judge-mnist]', or leave it out"
            )
        if self.compile and self.synchronize_batch_norm:
            raise ConfigError("training: compile and synchronize_batch_norm do not go together; leave out one of them")

    @property
    def images_per_step(self) -> int:
        """How many images the discriminator is shown as real in one step."""
        return self.batch_size * self.discriminator_steps

    @property
    def steps(self) -> int:
        """How many steps reach the budget."""
        return -(-self.images // self.images_per_step)

    def interval(self, images: int) -> int:
        """Return an interval in images as a number of steps, at least 1."""
        return max(1, round(images / self.images_per_step))

    def is_due(self, images: int, steps: int) -> bool:
        """Tell whether what comes at an interval in images, and at the end, is due after so many steps."""
        return steps % self.interval(images) == 0 or steps == self.steps

    def resolved(self) -> "Settings":
        """Return the settings with nothing left to choose: device, precision, intervals, the augmentation's numbers.

        Raises:
            ConfigError: There is no such device, or it does not have this precision, or `augment` cannot be read.
            UnknownNameError: No augmentation has the name that `augment` gives.
        """
        device, augmentation = find_device(self.device), read_augmentation(self.augment)
        precision = automatic_precision(device) if self.precision == "auto" else self.precision
        if precision == "fp64" and device.type == "mps":
            raise ConfigError(
                "training: precision is 'fp64', which mps does not have; it takes fp32, bf16 or fp16 there"
            )
        return replace(
            self,
            device=str(device),
            precision=precision,
            discriminator_learning_rate=self.discriminator_learning_rate or self.learning_rate,
            log_every_images=self.log_every_images or max(1, self.images // 100),
            checkpoint_every_images=self.checkpoint_every_images or max(1, self.images // 10),
            sample_every_images=self.sample_every_images or max(1, self.images // 10),
            augment=text_of(augmentation.resolved(self.images)) if augmentation else "",
            evaluate_every_images=self.evaluate_every_images or (max(1, self.images // 10) if self.best_by else 0),
        )

    def differing(self, asked: "Settings") -> tuple[str, ...]:
        """Return the names of the settings that are not as they were asked for, such as a `precision` of `"auto"`."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) != getattr(asked, field.name))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, as they come back from JSON and TOML."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def find_device(name: str) -> torch.device:
    """Return the device of a name such as `"cpu"` or `"cuda:1"`; `"auto"` is the first CUDA card, else the processor.

    Raises:
        ConfigError: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not has_device(name):
        raise ConfigError(f"training: device is {name!r}, and there is none here; it takes auto, cpu, cuda or mps")
    return torch.device(name)


def automatic_precision(device: torch.device) -> Precision:
    """Return bf16 where the processor or card computes in it, else fp32."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu":
        capabilities = torch.backends.cpu.get_cpu_capability()
        has_bf16 = capabilities.startswith("AVX512") and torch.cpu._is_avx512_bf16_supported()
        return "bf16" if has_bf16 else "fp32"
    return "fp32"
