"""Exports a trained model to ONNX, checks it and writes its folder for the model store of Auspex."""

from ._errors import ExportError
from ._export import Summary, export

__all__ = ["ExportError", "Summary", "export"]
__version__ = "0.1.0"
