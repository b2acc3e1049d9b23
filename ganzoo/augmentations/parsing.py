"""Reading augmentations from text, `"diffaugment(translation=0.25, cutout=0)"`, and writing them."""

from ganzoo import plugins
from ganzoo.augmentations.augmentation import Augmentation
from ganzoo.calls import NotACallError, NotANameError, read_call, read_expression, write_call
from ganzoo.config import build_config
from ganzoo.errors import ConfigError
from ganzoo.registry import Entry

GRAMMAR = "it takes a name such as 'diffaugment', or with numbers 'ada(target=0.6)'; see 'ganzoo list'"


def read_augmentation(text: str) -> Augmentation | None:
    """Read an augmentation from text; None from an empty one.

    Raises:
        ConfigError: The text cannot be read, or a number is unknown or out of range.
        UnknownNameError: No augmentation has this name.
        PluginError: It cannot be imported.
    """
    if not text.strip():
        return None
    try:
        call = read_call(
            read_expression(text), text, lambda name: augmentation_class(plugins.find("augmentation", name))
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        part = f" contains {error.args[0]!r}, which" if isinstance(error, NotACallError | NotANameError) else ""
        raise ConfigError(f"augment: {text[:200]!r}{part} cannot be read; {GRAMMAR}") from error
    entry = plugins.find("augmentation", call.name)
    return build_config(augmentation_class(entry), call.keywords, entry.full_name, positional=call.positional)


def augmentation_class(entry: Entry) -> type[Augmentation]:
    """Return the class that is registered as an augmentation.

    Raises:
        PluginError: It cannot be imported.
        ConfigError: It is no augmentation.
    """
    factory = entry.load()
    if not (isinstance(factory, type) and issubclass(factory, Augmentation)):
        raise ConfigError(
            f"{entry.full_name} is registered as an augmentation, but is no Augmentation; tell its provider"
        )
    return factory


def name_of(augmentation: Augmentation) -> str:
    """Return the full name an augmentation's class is registered under, or its own where it is not registered."""
    return plugins.name_of("augmentation", type(augmentation)) or type(augmentation).__qualname__


def text_of(augmentation: Augmentation | None) -> str:
    """Return text from which `read_augmentation` builds an equal augmentation."""
    return "" if augmentation is None else write_call(name_of(augmentation), augmentation)
