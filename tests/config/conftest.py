"""An architecture file to spoil."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pimsim.config.bundled import architecture_path


@pytest.fixture
def spoilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a copy of rap_int8.yaml, named rap, with ``old`` replaced by ``new``, as chip.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIMSIM_PATH", raising=False)
    monkeypatch.setenv("PIMSIM_CACHE", str(tmp_path / "no cache"))

    def write(*changes: tuple[str, str]) -> Path:
        text = architecture_path("rap_int8").read_text(encoding="utf-8")
        text = text.replace("name: rap_int8\n", "name: rap\n")
        for old, new in changes:
            assert old in text, f"rap.yaml has no {old!r}; the test is out of date"
            text = text.replace(old, new, 1)
        path = Path("chip.yaml")
        path.write_text(text, encoding="utf-8")
        return path

    return write
