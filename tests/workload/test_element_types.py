"""Where operands meet: the rules that PyTorch documents, with its examples."""

from typing import Any

import numpy as np
import pytest

from pimsim.workload.element_types import promoted

EXAMPLES: tuple[tuple[tuple[tuple[str, int], ...], Any, str], ...] = (
    # operands by element type and rank, a bare number, the type in which they meet
    ((("float32", 1), ("float32", 2)), None, "float32"),
    ((("int64", 1), ("float32", 1)), None, "float32"),  # NumPy says float64
    ((("float32", 1), ("float64", 1)), None, "float64"),
    ((("float32", 1), ("float64", 0)), None, "float32"),
    ((("int32", 1), ("int64", 0)), None, "int32"),
    ((("int64", 2), ("float64", 0)), None, "float64"),
    ((("int8", 1), ("uint8", 1)), None, "int16"),
    ((("bool", 1), ("uint8", 0)), None, "uint8"),
    ((("bool", 1),), 3, "int64"),
    ((("bool", 1),), True, "bool"),
    ((("int8", 1),), 3, "int8"),
    ((("int8", 1),), 3.5, "float32"),
    ((("float64", 0),), 3.5, "float64"),
    ((("int32", 0),), 3, "int32"),
    ((("float16", 1), ("int64", 1), ("int32", 0)), 2.0, "float16"),
)


@pytest.mark.parametrize(("operands", "number", "expected"), EXAMPLES)
def test_categories_come_before_widths_and_arrays_before_numbers(
    operands: tuple[tuple[str, int], ...], number: Any, expected: str
) -> None:
    arrays = [np.zeros((1,) * rank, dtype) for dtype, rank in operands]
    assert promoted(arrays, number) == np.dtype(expected)
    assert promoted(arrays[::-1], number) == np.dtype(expected)


@pytest.mark.torch
def test_any_two_operands_meet_where_pytorch_lets_them_meet() -> None:
    import torch

    types = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
    for first in types:
        for second in types:
            for ranks in ((1, 1), (1, 0), (0, 1), (0, 0)):
                arrays = [
                    np.zeros((1,) * rank, dtype)
                    for dtype, rank in zip((first, second), ranks, strict=True)
                ]
                expected = torch.result_type(*map(torch.from_numpy, arrays))
                assert str(expected) == f"torch.{promoted(arrays)}", (first, second, ranks)
        for number in (True, 1, 1.5):
            for rank in (0, 1):
                array = np.zeros((1,) * rank, first)
                expected = torch.result_type(torch.from_numpy(array), number)
                assert str(expected) == f"torch.{promoted([array], number)}", (first, number)
