"""Networks by their names: which there are, and one with fresh weights."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from darnet import registry
from darnet.errors import DarnetError, UnknownNameError, UsageError, is_out_of_memory, one_line

if TYPE_CHECKING:  # what names there are is known without torch
    from darnet.models.base import Model


def list_models(pattern: str = "*") -> list[str]:
    """Names of networks, sorted: darnet's, and those of installed packages. `pattern` is as of files in a shell.

    >>> list_models("*unet")
    ['compact-unet', 'deconvolution-unet', 'unet']
    """
    return [name for name in registry.names("model") if fnmatchcase(name, pattern)]


def create_model(name: str, **config: Any) -> Model:
    """A network by its name, its first weights drawn by torch's own generator; `config`: of its constructor.

    `darnet.load` gives trained ones, in a system that restores.

    Raises UnknownNameError for a name, or an argument, that there is not; it says which is the nearest. UsageError for
    arguments that are missing, or make no network.

    >>> model = create_model("compact-unet", width=8, blocks=[1, 1])
    >>> model.multiple_of
    4
    >>> create_model("compact-unet", widht=8)
    Traceback (most recent call last):
    darnet.errors.UnknownNameError: no argument of compact-unet called 'widht'; did you mean 'width'? ...
    """
    network = registry.find("model", name)
    parameters = inspect.signature(network).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        for key in config:
            if key not in parameters:
                raise UnknownNameError(f"argument of {name}", key, parameters)
    from darnet.models.meta import with_weights

    try:
        return with_weights(network, config)
    except DarnetError:
        raise
    except Exception as error:  # whatever torch, or a stranger's constructor, makes of a value
        if is_out_of_memory(error):
            raise
        raise UsageError(f"{described(name, config)}: {one_line(error)}") from error


def described(name: str, config: Mapping[str, Any]) -> str:
    """A network with its arguments.

    >>> described("compact-unet", {"width": 8})
    'compact-unet(width=8)'
    """
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in config.items())})"
