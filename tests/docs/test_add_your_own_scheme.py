"""The scheme on the page is complete, short, and does what the page says."""

import re
from pathlib import Path
from typing import Any

import pytest

import pimsim
from pimsim.functional.quality import quantization_quality
from pimsim.quantization import quantize
from pimsim.registry import SCHEMES
from tests.quantization.traced import mapped, shapes_only, transformer_block

PAGE = (Path(__file__).parents[2] / "docs" / "add_your_own_scheme.md").read_text(encoding="utf-8")
SCHEME, USE = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
NAME = "ternary_w2a8"


@pytest.fixture
def scheme(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the page's first block, and forget what it registers afterwards."""
    monkeypatch.setattr(SCHEMES, "_entries", dict(SCHEMES._entries))
    names: dict[str, Any] = {}
    exec(compile(SCHEME, "add_your_own_scheme.md", "exec"), names)  # noqa: S102  (our page)
    return names


def chip(name: str = NAME):
    return pimsim.load_architecture("rap_int8", overrides=[f"numerics.scheme={name}"])


def test_it_is_about_thirty_lines() -> None:
    assert len([line for line in SCHEME.splitlines() if line.strip()]) <= 32


def test_the_page_s_use_of_it_runs(
    scheme: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(USE, "add_your_own_scheme.md", "exec"), scheme)  # noqa: S102  (our page)
    found = re.fullmatch(r"(\d+%) right; worst layer: [\w.]+\n", capsys.readouterr().out)
    assert found is not None
    assert f"It prints {found[1].replace('%', ' %')}; without the clipping it is " in PAGE


def test_weights_have_2_bits_and_take_as_many_columns(scheme: dict[str, Any]) -> None:
    workload = transformer_block()
    placements = {
        op.op.name: op.placement for op in mapped(workload, chip()).ops if op.placement is not None
    }
    assert (placements["up"].driven_bits, placements["up"].stored_bits) == (8, 2)
    assert (placements["attn.logits"].driven_bits, placements["attn.logits"].stored_bits) == (8, 8)


def test_without_clipping_it_is_as_bad_as_the_page_says(
    scheme: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(scheme, "clipped", lambda weight: weight)
    quality = quantization_quality(pimsim.load_workload("vit_digits"), chip(), samples=360)
    assert f"without the clipping it is {quality.accuracy.integer:.0%}".replace("%", " %") in PAGE


def test_a_workload_without_weights_has_the_same_operations(scheme: dict[str, Any]) -> None:
    workload = transformer_block()
    whole, bare = (quantize(one, chip()) for one in (workload, shapes_only(workload)))
    assert [op.name for op in whole.ops] == [op.name for op in bare.ops]
    assert [op.hardware for op in whole.ops] == [op.hardware for op in bare.ops]


def test_pimsim_lists_it_by_its_docstring(scheme: dict[str, Any]) -> None:
    assert NAME in SCHEMES
    assert SCHEMES.summary(NAME) == scheme[NAME].__doc__.splitlines()[0]
