"""Checksums that tie the files of a version together."""

import hashlib
from pathlib import Path

FILES = ["golden.jsonl", "metrics.json", "model.onnx", "reference.json"]


def write_checksums(version_folder: Path) -> None:
    """Writes `SHA256SUMS` for the training outputs, in the format of `sha256sum`."""
    sums = {
        name: hashlib.sha256((version_folder / name).read_bytes()).hexdigest() for name in FILES
    }
    lines = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (version_folder / "SHA256SUMS").write_text(lines, encoding="utf-8")
