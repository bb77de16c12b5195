"""The store of the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

#: Where tests leave the store, so that the gateway's own check can read it; by default a temporary folder.
STORE = os.environ.get("AUSPEX_MODELS_TEST_STORE")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return Path(STORE) if STORE else tmp_path / "models"
