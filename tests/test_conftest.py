"""The header of a run without PyTorch tells how many test functions are left out."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

CONFTEST = Path(__file__).parent / "conftest.py"


@pytest.fixture
def count_torch_tests(pytestconfig: pytest.Config) -> Callable[[str], int]:
    plugin = pytestconfig.pluginmanager.get_plugin(str(CONFTEST))
    assert plugin is not None
    function: Callable[[str], int] = plugin.count_torch_tests
    return function


def test_marked_functions_classes_and_modules_are_counted(
    count_torch_tests: Callable[[str], int],
) -> None:
    marked = dedent("""
        @pytest.mark.torch
        def test_a(): ...
        def test_b(): ...
        @pytest.mark.torch
        class TestC:
            def test_d(self): ...
            def test_e(self): ...
            def helper(self): ...
        @pytest.mark.torch
        @pytest.mark.parametrize("x", [1, 2])
        def test_f(x): ...
    """)
    assert count_torch_tests(marked) == 4
    assert count_torch_tests("pytestmark = [pytest.mark.torch]\ndef test_a(): ...") == 1
    assert count_torch_tests("def test_a(): ...") == 0


def test_the_shared_example_adds_up(example_result: object) -> None:
    from pimsim.records import Result

    assert isinstance(example_result, Result)
    energy_uj, area_mm2 = example_result.energy_uj, example_result.area_mm2
    assert sum(example_result.energy_breakdown_uj.values()) == pytest.approx(energy_uj, rel=1e-12)
    assert sum(example_result.area_breakdown_mm2.values()) == pytest.approx(area_mm2, rel=1e-12)
    assert sum(example_result.latency_breakdown_us.values()) == example_result.latency_us
    timeline = example_result.timeline
    assert sum(timeline.critical_path_ps.values()) == timeline.latency_ps == timeline.end_ps.max()
    assert example_result.costs[0].area_um2 == pytest.approx(area_mm2 * 1e6, rel=1e-12)
