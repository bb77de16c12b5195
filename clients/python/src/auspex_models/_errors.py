"""The error of this package."""

from __future__ import annotations

import importlib
from typing import Any


class ExportError(ValueError):
    """The model was not exported and nothing was written; the message says why and what to do."""


def required(module: str, extra: str) -> Any:
    """Imports an optional package.

    Raises:
        ExportError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise ExportError(
            f"this model needs the package {package}, which cannot be imported ({error}); "
            f"install it: pip install 'auspex-models[{extra}]'"
        ) from error


def one_line(error: Exception) -> str:
    """The message of another package's error, for a message of this one."""
    return " ".join(str(error).split())[:1000]
