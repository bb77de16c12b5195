"""Writes model folders: manifest, card, graph, golden rows, metrics and checksums."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ._errors import ExportError

#: Marks a place of a card that its writer has to fill in; `models:check` warns of it.
FILL_IN = "**To fill in:**"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ -]*")


@dataclass(frozen=True)
class Contents:
    """What a version folder is written from."""

    title: str
    description: str | None
    #: The manifest's entries, by name.
    inputs: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Mapping[str, Any]]
    #: Types by name, such as `float` and `2 floats`.
    kinds: Mapping[str, str]
    max_batch: int | None
    graph: bytes
    golden: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, float] | None
    card: str | None
    #: How the outputs were checked, a sentence.
    check: str


def assert_name(name: str) -> None:
    """Raises ExportError if no model can have this name."""
    if not _NAME.fullmatch(name):
        raise ExportError(f'{name!r} cannot be the name of a model; use up to 100 letters, digits, "-", "_" and "."')


def next_version(store: Path, name: str, version: int | None) -> int:
    """The number of a new version: the given one, or the one after the highest.

    Raises:
        ExportError: the version exists.
    """
    folder = store / name
    found = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
    chosen = max(found, default=0) + 1 if version is None else version
    if not 1 <= chosen < 2**31:
        raise ExportError(f"version must be 1 or more, not {chosen}")
    if (folder / str(chosen)).exists():
        raise ExportError(f"{folder / str(chosen)} already exists; export another version, or remove the folder")
    return chosen


def write(store: Path, name: str, version: int, contents: Contents) -> Path:
    """Writes a version, and the manifest and card if the model is new.

    The folder is complete when it appears in the store, which a running gateway watches.

    Returns:
        the version's folder.

    Raises:
        ExportError: the files cannot be written.
    """
    target = store / name / str(version)
    try:
        store.mkdir(parents=True, exist_ok=True)
        # Hidden folders of a store are not served.
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=store))
        try:
            is_new = not (store / name).exists()
            folder = draft / name / str(version)
            folder.mkdir(parents=True)
            _write_version(folder, contents)
            if is_new:
                (draft / name / "model.yaml").write_text(_manifest(contents), encoding="utf-8")
                (draft / name / "README.md").write_text(_card(name, version, contents), encoding="utf-8")
                os.rename(draft / name, store / name)
            else:
                if _fields_differ(store / name, contents):
                    fields = {"inputs": contents.inputs, "outputs": contents.outputs}
                    (folder / "signature.yaml").write_text(_yaml(fields), encoding="utf-8")
                os.rename(folder, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise ExportError(f"{target} cannot be written: {error}") from error
    return target


def _write_version(folder: Path, contents: Contents) -> None:
    (folder / "model.onnx").write_bytes(contents.graph)
    with (folder / "golden.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for row in contents.golden:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    names = ["golden.jsonl", "model.onnx"]
    if contents.metrics is not None:
        metrics = {key: float(value) for key, value in contents.metrics.items()}
        (folder / "metrics.json").write_text(json.dumps(metrics, allow_nan=False) + "\n", encoding="utf-8")
        names.insert(1, "metrics.json")
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def _fields_differ(model: Path, contents: Contents) -> bool:
    """Whether the manifest describes other inputs or outputs than the version has."""
    file = next((model / name for name in ("model.yaml", "model.json") if (model / name).exists()), None)
    if file is None:
        raise ExportError(f"{model} exists, but has no model.yaml; choose another name, or add one")
    try:
        manifest = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeError) as error:
        raise ExportError(f"{file} cannot be read: {error}") from error
    parts = manifest if isinstance(manifest, dict) else {}
    fields = [parts.get(part) or {} for part in ("inputs", "outputs")]
    return [set(map(str, field)) for field in fields] != [set(contents.inputs), set(contents.outputs)]


def _manifest(contents: Contents) -> str:
    manifest: dict[str, Any] = {"title": contents.title}
    if contents.description is not None:
        manifest["description"] = contents.description
    if contents.max_batch is not None:
        manifest["serving"] = {"max_batch": contents.max_batch}
    return _yaml({**manifest, "inputs": contents.inputs, "outputs": contents.outputs})


class _Dumper(yaml.SafeDumper):
    """Quotes each text that YAML 1.1 or 1.2 could read as something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if _PLAIN.fullmatch(text) else '"')


_Dumper.add_representer(str, _represent_text)


def _yaml(value: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(value))
    text: str = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _card(name: str, version: int, contents: Contents) -> str:
    if contents.card is not None:
        return contents.card
    intro = contents.description or _todo("what the model predicts, from what, and by which method")
    measured = f"All metrics are in [`{version}/metrics.json`]({version}/metrics.json). " if contents.metrics else ""
    sections = {
        "What it is for": _todo("for whom and which decisions it is meant"),
        "Out of scope": _todo("uses that it is not meant for"),
        "Inputs and outputs": f"{_table('input', contents.inputs, contents)}\n\n"
        f"{_table('output', contents.outputs, contents)}\n\n"
        f"Limits and categories are in [`model.yaml`](model.yaml). {_todo('how missing values are treated')}",
        "Data": _todo("what it was trained on, where that came from, and what was done to it"),
        "Training": _todo("method, parameters, and how they were chosen"),
        "Evaluation": measured + _todo("how good it is, on what that was measured, and against what"),
        "Limits": _todo("where it is wrong or must not be used"),
        "Export and checks": f"{contents.check} [`{version}/golden.jsonl`]({version}/golden.jsonl) has "
        f"{len(contents.golden)} rows.",
        "Retrain": _todo("where the training code is and how to run it"),
    }
    body = "".join(f"\n## {title}\n\n{text}\n" for title, text in sections.items())
    return f"# Model card: {name}\n\n{intro}\n{body}"


def _todo(what: str) -> str:
    return f"{FILL_IN} {what}."


def _table(kind: str, fields: Mapping[str, Mapping[str, Any]], contents: Contents) -> str:
    return "\n".join([f"| {kind} | type | unit | |", "|---|---|---|---|", *_table_rows(fields, contents)])


def _table_rows(fields: Mapping[str, Mapping[str, Any]], contents: Contents) -> Iterable[str]:
    for name, field in fields.items():
        required = "optional" if field.get("required") is False else ""
        yield f"| `{re.sub(r'[|`]', ' ', name)}` | {contents.kinds[name]} | {field.get('unit', '')} | {required} |"
