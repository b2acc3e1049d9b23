"""`GAN`: networks and their config, with everything one does with a trained model."""

import io
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor, nn

from ganzoo import sampling, saving, translating
from ganzoo.config import ModelConfig, SamplingConfig
from ganzoo.data.table import to_data
from ganzoo.errors import InputError, given
from ganzoo.inference import InferenceCopies, Precision, check_precision, evaluating
from ganzoo.models.architecture import call
from ganzoo.models.condition import Condition, condition_of
from ganzoo.sampling import Array, Labels

if TYPE_CHECKING:
    from PIL import Image

    from ganzoo.hub.pushing import Pushed, Where

GRID, HISTOGRAM = 64, 10_000  # how many samples a picture shows
CLASS_ROWS, CLASS_COLUMNS = 8, 16  # of a conditional model's grid; with more classes it is an ordinary one
CHUNK = 256  # samples generated at a time: nearly the best speed, in bounded memory


class GAN(nn.Module):
    """Named networks, of which `generator` and `discriminator` are the usual two, and what their samples mean.

    Attributes:
        networks: The networks by name.
        config: What the model is made of; its `networks` is empty where they are plain modules that no registry knows.
        latent_dim: The length of the generator's latents; 0 for a generator that is given None.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module] | None = None,
        *,
        config: ModelConfig | None = None,
        latent_dim: int | None = None,
        sample_shape: tuple[int, ...] | None = None,
        **named: nn.Module,
    ) -> None:
        """Put networks together: `GAN(generator=..., discriminator=...)`, or from a mapping.

        Args:
            networks: Networks by name; `generator` is required, `discriminator` is needed to train and to score.
            config: The config the networks were built from; None for plain modules.
            latent_dim: The length of a latent; by default the generator's own attribute.
            sample_shape: The shape of a sample; by default the config's, or the generator's own attribute.
            named: Further networks by name.

        Raises:
            InputError: There is no generator, or a plain one without latent_dim or sample_shape.
        """
        super().__init__()
        parts = {**(networks or {}), **named}
        if "generator" not in parts:
            raise InputError(f"a GAN was made of {sorted(parts) or 'nothing'}; it takes at least generator=...")
        self.networks = nn.ModuleDict(parts)
        self._copies: defaultdict[str, InferenceCopies] = defaultdict(InferenceCopies)  # by network
        self.latent_dim = int(self._declared("latent_dim", latent_dim))
        if config is None:
            shape = tuple(self._declared("sample_shape", sample_shape))
            config = ModelConfig(networks={}, sampling=SamplingConfig(sample_shape=shape))
        self.config = config

    def _declared(self, attribute: str, given: Any) -> Any:
        value = getattr(self.generator, attribute, None) if given is None else given
        if value is None:
            kind = type(self.generator).__name__
            raise InputError(f"the generator {kind} declares no {attribute}; pass GAN(generator=..., {attribute}=...)")
        return value

    @property
    def generator(self) -> nn.Module:
        """The network that makes samples."""
        return self.networks["generator"]

    @property
    def discriminator(self) -> nn.Module:
        """The network that tells real samples from generated ones.

        Raises:
            InputError: The model was loaded without it.
        """
        if "discriminator" not in self.networks:
            raise InputError("this model has no discriminator here; load it with ganzoo.load(..., discriminator=True)")
        return self.networks["discriminator"]

    @property
    def provider(self) -> dict[str, Any] | None:
        """The distribution that registered the generator's architecture; None for built-ins and plain modules."""
        network = self.config.networks.get("generator")
        return network.provider if network else None

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.config.sampling.sample_shape

    @property
    def condition(self) -> Condition:
        """What the generator is conditioned on."""
        return condition_of(self.generator)

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return next(self.generator.parameters()).device

    def generate(self, latents: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Map given latents to samples, differentiably, in the generator's current mode.

        Args:
            latents: (N, latent_dim); None for a model without latents.
            condition: Labels (N,) int64, vectors (N, K) or images (N, C, H, W), where the model is conditional.

        Returns:
            Samples (N, *sample_shape) in [-1, 1].

        Raises:
            InputError: Latents or condition do not fit the model.
        """
        return sampling.generate(self.generator, self.latent_dim, latents, condition)

    def sample(
        self,
        n: int,
        *,
        seed: int,
        labels: Labels | None = None,
        condition: Array | None = None,
        truncation: float | None = None,
        batch_size: int | None = None,
        precision: Precision = "fp32",
    ) -> Tensor:
        """Draw samples. Sample i depends on (seed, i) and its condition alone, whatever n and the batch size.

        Its latent is bit-equal however it is drawn; the sample itself is equal up to floating-point rounding, which may
        differ with the batch size and the device. Where the architecture allows it, a faster copy of the generator is
        called, with its layers folded (`ganzoo.inference`), which follows every change of the generator.

        Args:
            n: How many.
            seed: The seed.
            labels: One label for all, or one for each; by default sample i has the label i % num_classes.
            condition: For a model conditioned on vectors or images: one for all, or one for each.
            truncation: Cut latents off at plus and minus this: less variety, more typical samples.
            batch_size: How many to generate at a time.
            precision: `"fp32"` computes in the dtype of the weights, float32 unless the model was loaded otherwise;
                `"bf16"` in bfloat16, which is faster and has errors of about a hundredth.

        Returns:
            Samples (n, *sample_shape) in [-1, 1], float32, on the CPU.

        Raises:
            InputError: An argument is out of range, or labels or condition do not fit the model.
        """
        chunks = self.iter_samples(
            n,
            seed=seed,
            labels=labels,
            condition=condition,
            truncation=truncation,
            batch_size=batch_size,
            precision=precision,
        )
        return torch.cat(list(chunks))

    def iter_samples(
        self,
        n: int,
        *,
        seed: int,
        labels: Labels | None = None,
        condition: Array | None = None,
        truncation: float | None = None,
        batch_size: int | None = None,
        precision: Precision = "fp32",
    ) -> Iterator[Tensor]:
        """Draw the same samples as `sample`, up to floating-point rounding, batch by batch, in bounded memory.

        Yields:
            Samples (at most batch_size, *sample_shape) in [-1, 1], float32, on the CPU.

        Raises:
            InputError: As `sample`.
        """
        n, seed = sampling.whole("n", n, 1), sampling.whole("seed", seed, 0)
        size = CHUNK if batch_size is None else sampling.whole("batch_size", batch_size, 1)
        if truncation is not None and not isinstance(truncation, Real):
            raise InputError(f"truncation is {given(truncation)}; it takes a positive number, such as 0.7, or None")
        check_precision(precision)
        return sampling.draw_chunks(
            self.generator,
            self.latent_dim,
            n,
            seed=seed,
            condition=sampling.choose_condition(self.condition, n, labels, condition),
            truncation=truncation,
            size=size,
            copies=self._copies["generator"],
            precision=precision,
        )

    def translate(
        self,
        source: translating.Source,
        *,
        seed: int | None = None,
        batch_size: int = CHUNK,
        network: str = "generator",
    ) -> Tensor:
        """Translate pictures with an image-conditioned model, in eval mode.

        Args:
            source: Images (N, C, H, W) or one image (C, H, W), a tensor or an array, floating point in [-1, 1], of the
                size the model takes; or one or several pictures of any size, PIL's or paths of files, which are
                stretched to it. A model that takes any size (`Generator.takes_any_size`) is given each in its own,
                up to 2^22 pixels; several at a time have one size.
            seed: Draw the model's noise and latents, those of picture i from (seed, i); None leaves the noise out, and
                gives the same picture each time.
            batch_size: How many to translate at a time.
            network: Which of the model's generators to take, such as `"generator_back"` of one that has a way back; its
                condition's shape and its samples' are then meant above and below.

        Returns:
            Samples (N, *sample_shape) in [-1, 1], float32, on the CPU; (*sample_shape) for one image. Those of images
            of another size are as much larger or smaller.

        Raises:
            InputError: The model is not conditioned on images, has no such network, or the source does not fit it.
            DataError: A picture cannot be read.
        """
        translator = self.translator(network)
        size = sampling.whole("batch_size", batch_size, 1)
        seed = None if seed is None else sampling.whole("seed", seed, 0)
        images, is_one = translating.read_images(translator, source)
        chunks = sampling.draw_chunks(
            translator,
            self.latent_dim if network == "generator" else int(getattr(translator, "latent_dim", 0)),
            len(images),
            seed=seed,
            condition=images,
            truncation=None,
            size=size,
            copies=self._copies[network],
            precision="fp32",
        )
        translated = torch.cat(list(chunks))
        return translated[0] if is_one else translated

    def translator(self, name: str = "generator") -> nn.Module:
        """Return the network of a name, which makes samples from images.

        Raises:
            InputError: The model has no such network, or it is not conditioned on images.
        """
        return translating.find_translator(dict(self.networks.items()), name)

    def draw(
        self,
        n: int | None = None,
        *,
        seed: int,
        labels: Labels | None = None,
        condition: Array | None = None,
        truncation: float | None = None,
        columns: int | None = None,
        precision: Precision = "fp32",
    ) -> "Image.Image":
        """Draw samples into one picture: a grid of pictures, a histogram of points, or lines of sequences.

        A picture made from an image stands to the right of it.

        Args:
            n: How many samples; by default 64 for a grid, 8 of each class (up to 16 classes) in a column of its own,
                10,000 for a histogram, and one for each given condition.
            seed: As in `sample`, like `labels`, `condition` and `truncation`.
            labels: One label for all, or one for each.
            condition: For a model conditioned on vectors or images: one for all, or one for each.
            truncation: Cut latents off at plus and minus this.
            columns: Columns of a grid; by default as many as rows.
            precision: As in `sample`.

        Raises:
            InputError: As `sample`, or samples of this shape cannot be drawn.
        """
        from ganzoo.data import render

        stored = self.config.sampling
        if condition is not None:
            condition = sampling.as_tensor("the condition", condition, "a tensor, an array or a list of numbers")
        if n is None and condition is not None and condition.dim() > len(self.condition.shape):
            n = len(condition)
        classes = self.condition.num_classes
        if n is None and labels is None and len(self.sample_shape) > 1 and 1 < classes <= CLASS_COLUMNS:
            n, columns = classes * CLASS_ROWS, columns or classes  # a column for each class
        n = n or (HISTOGRAM if len(self.sample_shape) == 1 else GRID)
        samples = self.sample(
            n, seed=seed, labels=labels, condition=condition, truncation=truncation, precision=precision
        )
        if self.condition.kind == "image" and condition is not None and len(self.sample_shape) == 3:
            samples = render.beside([condition.expand(n, *self.condition.shape), samples])
        return render.draw(samples, scale=stored.scale, offset=stored.offset, columns=columns)

    def _repr_png_(self) -> bytes | None:
        """Show a grid of samples in a notebook; nothing for a model that needs a vector or an image for each."""
        if self.condition.kind in ("vector", "image"):
            return None
        stream = io.BytesIO()
        self.draw(seed=0).save(stream, format="PNG")
        return stream.getvalue()

    def score(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        """Judge samples with the discriminator, in eval mode.

        Args:
            samples: (N, *sample_shape) in [-1, 1].
            condition: Labels (N,), vectors (N, K) or images (N, C, H, W) where the discriminator is conditional.

        Returns:
            (N,) probabilities of being real, on the CPU; the mean over patches for a patch discriminator.

        Raises:
            InputError: Samples or condition do not fit the model, or it was loaded without its discriminator.
        """
        network = self.discriminator
        sampling.check_tensor("samples", samples)
        if condition is not None:
            sampling.check_tensor("the condition", condition)
        if tuple(samples.shape[1:]) != self.sample_shape:
            raise InputError(
                f"samples have shape {tuple(samples.shape)}; this model takes (N, {str(self.sample_shape)[1:]}"
            )
        condition_of(network).check(condition, len(samples))
        parameter = next(network.parameters())
        with torch.inference_mode(), evaluating(network):
            moved = None if condition is None else condition.to(parameter.device)
            logits = call(network, samples.to(parameter.device, parameter.dtype), moved)
        per_sample = logits.flatten(1).mean(1) if logits.dim() > 1 else logits
        return per_sample.float().sigmoid().cpu().clone()

    def to_data(self, samples: Tensor) -> Tensor:
        """Bring samples in [-1, 1] to the data's own units: uint8 pictures, or points as they were.

        Args:
            samples: (N, *sample_shape).

        Returns:
            The same shape, in the data's dtype.
        """
        stored = self.config.sampling
        return to_data(samples, stored.scale, stored.offset, getattr(torch, stored.data_dtype))

    def save_pretrained(self, directory: str | os.PathLike[str], *, dtype: torch.dtype | None = None) -> None:
        """Write the folder that `load("local-dir:...")` takes: weights, config.json last, and a model card.

        What is written is what is in memory: a model that was loaded without `discriminator=True` has none, and its
        weights are float32. A card of your own that is there already is kept.

        Args:
            directory: The folder; made if missing.
            dtype: What to store floating-point weights in, such as torch.float16 for half the size; None: as they are.

        Raises:
            WeightsError: The networks are plain modules, which no registry could build again.
            OutputError: The folder cannot be written.
        """
        saving.save_model(self.networks, self.config, Path(directory), dtype)

    def push_to_hub(self, repo_id: str, *, dtype: torch.dtype | None = None, **where: "Unpack[Where]") -> "Pushed":
        """Publish the model on the Hugging Face Hub; `ganzoo.hub.pushing.push_model` says how, and what it raises."""
        from ganzoo.hub.pushing import Target, push_model

        return push_model(self, Target(repo_id=repo_id, **where), dtype)
