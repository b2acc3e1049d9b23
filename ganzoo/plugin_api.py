"""The version of what plugins are written against: hooks, registry, and the contracts of networks and terms.

It is a whole number that rises only when plugins must change. A plugin declares the one it was written for as
`GANZOO_PLUGIN_API = 1`, in the module (or other object) that its entry point names.
"""

from ganzoo import __version__
from ganzoo.errors import PluginError, given

PLUGIN_API = 1
OLDEST_PLUGIN_API = 1  # plugins written for this one and those after it are taken
FIRST_PLUGIN_API = 1  # what a plugin that declares nothing was written for

ATTRIBUTE = "GANZOO_PLUGIN_API"


def check_plugin_api(plugin: object, distribution: str) -> None:
    """Refuse a plugin that was written for another plugin API.

    Args:
        plugin: What its entry point names.
        distribution: The distribution that carries it.

    Raises:
        PluginError: The plugin is too old or too new, which the message tells apart, or declares no whole number.
    """
    declared = getattr(plugin, ATTRIBUTE, FIRST_PLUGIN_API)
    if type(declared) is not int or declared < FIRST_PLUGIN_API:
        raise PluginError(f"{ATTRIBUTE} is {given(declared)}; it takes a whole number, such as {PLUGIN_API}")
    taken = str(PLUGIN_API) if OLDEST_PLUGIN_API == PLUGIN_API else f"{OLDEST_PLUGIN_API} to {PLUGIN_API}"
    found = f"it was written for plugin API {declared}, and ganzoo {__version__} takes {taken}"
    if declared > PLUGIN_API:
        raise PluginError(f"{found}; upgrade ganzoo: pip install -U torch-ganzoo")
    if declared < OLDEST_PLUGIN_API:
        raise PluginError(f"{found}; upgrade the plugin: pip install -U {distribution}")
