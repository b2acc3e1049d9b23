"""ganzoo: a plugin-based model zoo for generative adversarial networks, on PyTorch.

The public names are imported when they are first used, so that `import ganzoo` loads no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganzoo import errors as errors
    from ganzoo import testing as testing
    from ganzoo.gan import GAN as GAN
    from ganzoo.hookspecs import hookimpl as hookimpl
    from ganzoo.metrics.evaluation import evaluate as evaluate
    from ganzoo.plugin_api import PLUGIN_API as PLUGIN_API
    from ganzoo.plugins import list_plugins as list_plugins
    from ganzoo.training.callbacks import Callback as Callback
    from ganzoo.training.trainer import Trainer as Trainer
    from ganzoo.zoo import create_loss as create_loss
    from ganzoo.zoo import create_model as create_model
    from ganzoo.zoo import create_objective as create_objective
    from ganzoo.zoo import list_architectures as list_architectures
    from ganzoo.zoo import list_datasets as list_datasets
    from ganzoo.zoo import list_losses as list_losses
    from ganzoo.zoo import list_pretrained as list_pretrained
    from ganzoo.zoo import load as load

__version__ = "0.1.0"

_MODULE_OF = {
    "Callback": "ganzoo.training.callbacks",
    "GAN": "ganzoo.gan",
    "PLUGIN_API": "ganzoo.plugin_api",
    "Trainer": "ganzoo.training.trainer",
    "create_loss": "ganzoo.zoo",
    "create_model": "ganzoo.zoo",
    "create_objective": "ganzoo.zoo",
    "evaluate": "ganzoo.metrics.evaluation",
    "hookimpl": "ganzoo.hookspecs",
    "list_architectures": "ganzoo.zoo",
    "list_datasets": "ganzoo.zoo",
    "list_losses": "ganzoo.zoo",
    "list_plugins": "ganzoo.plugins",
    "list_pretrained": "ganzoo.zoo",
    "load": "ganzoo.zoo",
}

__all__ = ["__version__", "errors", "testing", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in ("errors", "testing"):
        return importlib.import_module(f"ganzoo.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ganzoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
