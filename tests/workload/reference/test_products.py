"""Linear layers, matrix products and convolutions against formulas that share no code with them."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from pimsim.errors import WorkloadError
from pimsim.workload.graph import PRODUCT_KINDS, Op
from pimsim.workload.reference import execute, products, unfold_convolution


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def op(kind: str, count: int = 1, **attributes: Any) -> Op:
    return Op("layer", kind, tuple("abc"[:count]), ("y",), attributes)


def test_every_product_has_its_function() -> None:
    assert products.PRODUCTS.keys() == PRODUCT_KINDS


def test_linear_sums_over_the_last_axis_of_both_and_adds_the_bias() -> None:
    x, weight, bias = normal(2, 5, 3), normal(4, 3, seed=1), normal(4, seed=2)
    exact = np.einsum("bti,oi->bto", x.astype(float), weight.astype(float))
    assert np.allclose(execute(op("linear", 2), [x, weight], {}), exact, atol=1e-6)
    biased = execute(op("linear", 3), [x, weight, bias], {})
    assert biased.dtype == np.float32
    assert np.allclose(biased, exact + bias, atol=1e-6)


def test_matmul_is_batched_over_the_leading_axes() -> None:
    first, second = normal(2, 4, 5, 3), normal(2, 4, 3, 6, seed=1)
    exact = np.einsum("bhik,bhkj->bhij", first.astype(float), second.astype(float))
    assert np.allclose(execute(op("matmul", 2), [first, second], {}), exact, atol=1e-6)


def test_matmul_takes_operands_in_any_memory_order() -> None:
    """Interleaved heads leave neither axis of a matrix dense in memory."""
    mixed, second = normal(2, 5, 3, 4), normal(2, 4, 3, 6, seed=1)
    first = mixed.transpose(0, 3, 1, 2)
    assert first.itemsize not in first[..., ::2].strides[-2:]
    exact = np.einsum("bthd,bdhj->bdtj", mixed.astype(float)[:, :, ::2], second[:, :, :2])
    y = execute(op("matmul", 2), [first[..., ::2], second[:, :, :2]], {})
    assert np.allclose(y, exact, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation"),
    [((1, 1), (0, 0), (1, 1)), ((2, 2), (0, 0), (1, 1)), ((2, 1), (1, 2), (1, 2))],
)
def test_convolution_equals_scipys_correlation(
    groups: int, stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]
) -> None:
    x, bias = normal(2, 4, 7, 9), normal(6, seed=2)
    weight = normal(6, 4 // groups, 2, 3, seed=1)
    y = execute(
        op("convolution", 3, stride=stride, padding=padding, dilation=dilation, groups=groups),
        [x, weight, bias],
        {},
    )
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2)).astype(float)
    spread = np.zeros((6, 4 // groups, dilation[0] + 1, 2 * dilation[1] + 1))
    spread[:, :, :: dilation[0], :: dilation[1]] = weight
    for image, out in np.ndindex(2, 6):
        first = out // (6 // groups) * (4 // groups)
        planes = [
            signal.correlate2d(padded[image, first + channel], spread[out, channel], mode="valid")
            for channel in range(4 // groups)
        ]
        exact = sum(planes)[:: stride[0], :: stride[1]] + bias[out]
        assert y[image, out].shape == exact.shape
        assert np.allclose(y[image, out], exact, atol=1e-5)


def test_unfolded_patches_are_the_receptive_fields_in_order_and_keep_the_element_type() -> None:
    x = np.arange(2 * 3 * 5 * 6, dtype=np.int16).reshape(2, 3, 5, 6)
    patches = unfold_convolution(x, (2, 2), stride=(2, 3), padding=(1, 0), dilation=(1, 2))
    assert patches.dtype == np.int16
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    rows = [
        padded[:, :, top : top + 2, left : left + 3 : 2].reshape(2, -1)
        for top in (0, 2, 4)
        for left in (0, 3)
    ]
    assert np.array_equal(patches, np.stack(rows, axis=1))


def test_a_kernel_larger_than_the_image_is_an_error() -> None:
    with pytest.raises(WorkloadError, match=r"kernel spanning \(3, 3\) pixels does not fit"):
        unfold_convolution(normal(1, 1, 2, 2), (3, 3))


def test_a_convolution_of_a_sequence_slides_along_it() -> None:
    x, weight, bias = normal(2, 3, 11), normal(4, 3, 2, seed=1), normal(4, seed=2)
    attributes = {"stride": (3,), "padding": (1,), "dilation": (4,), "groups": 1}
    y = execute(op("convolution", 3, **attributes), [x, weight, bias], {})
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1))).astype(float)
    starts = range(0, 13 - 4, 3)
    exact = np.stack(
        [
            padded[:, :, start] @ weight[:, :, 0].T + padded[:, :, start + 4] @ weight[:, :, 1].T
            for start in starts
        ],
        axis=2,
    )
    assert y.shape == exact.shape == (2, 4, 3)
    assert np.allclose(y, exact + bias[:, None], atol=1e-5)


def test_the_part_of_a_batch_that_is_unfolded_at_once_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, weight = normal(5, 4, 6, 6), normal(6, 2, 3, 3, seed=1)
    attributes = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 2}
    whole = execute(op("convolution", 2, **attributes), [x, weight], {})
    seen: list[int] = []
    unfold = products.unfold_convolution

    def counting(images: NDArray[Any], *rest: Any, **more: Any) -> NDArray[Any]:
        seen.append(len(images))
        return unfold(images, *rest, **more)

    monkeypatch.setattr(products, "unfold_convolution", counting)
    monkeypatch.setattr(products, "_UNFOLDED_BYTES", 2 * 36 * 4 * 9 * 4)  # two images
    assert np.array_equal(execute(op("convolution", 2, **attributes), [x, weight], {}), whole)
    assert seen == [4, 4, 2]  # two groups of each image
