"""Which reads take place, and how many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.analog import ideal_macro
from pimsim.analog.coding import encode_inputs
from pimsim.analog.zero_skipping import (
    dense_read_cycles,
    expected_reads,
    kept_reads,
    read_cycles,
)
from pimsim.config.architecture import ZeroSkipping
from pimsim.errors import ModelRangeError, NotFoundError

FIGURE_7 = [
    "11001000", "00000010", "00000100", "00000001", "00000000",
    "00010101", "00000010", "00000000", "00010000",
]  # fmt: skip
"""Inputs of arXiv 2411.14733, Fig. 7: one per row, most significant bit first."""


def figure_7() -> np.ndarray:
    """Planes, one vector, nine rows."""
    return np.array([[int(bit) for bit in row] for row in FIGURE_7], np.uint8).T[:, None, :]


def test_dense_reading_takes_one_cycle_per_row_group():
    """arXiv 2411.14733: 1,024 rows at 8 active rows take 128 cycles per bit-vector."""
    assert dense_read_cycles(1024, active_rows=8) == 128
    assert read_cycles(np.ones((3, 17), bool), active_rows=8).tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("scheme", "active_rows", "skipped"),
    [("none", 1, 0), ("bit", 1, 61), ("value", 1, 16), ("value", 4, 0), ("bit", 4, 31)],
)
def test_the_toy_matrix_of_the_paper_skips_what_it_says(scheme, active_rows, skipped):
    """arXiv 2411.14733, Fig. 7: 61 of 72 bits are zero, 16 belong to zero values, none to groups of
    four zero values, and 31 to groups of up to four whose bits of one plane are all zero."""
    digits = figure_7()
    kept = kept_reads(digits, scheme=scheme, active_rows=active_rows)
    sizes = np.minimum(active_rows, 9 - active_rows * np.arange(kept.shape[2]))
    assert int((~kept * sizes).sum()) == skipped


@given(
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 20),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
)
def test_a_read_is_kept_exactly_where_its_rule_says(planes, batch, rows, active_rows, seed):
    generator = np.random.default_rng(seed)
    digits = (generator.random((planes, batch, rows)) < 0.2).astype(np.uint8) * 3
    for scheme in ("none", "value", "bit"):
        kept = kept_reads(digits, scheme=scheme, active_rows=active_rows)
        assert kept.shape == (planes, batch, -(-rows // active_rows))
        for group in range(kept.shape[2]):
            part = digits[:, :, group * active_rows : (group + 1) * active_rows]
            for plane in range(planes):
                looked_at = {"none": None, "value": part, "bit": part[plane : plane + 1]}[scheme]
                expected = [looked_at is None or bool(looked_at[:, b].any()) for b in range(batch)]
                assert kept[plane, :, group].tolist() == expected


@pytest.mark.parametrize("scheme", ["none", "value", "bit"])
@pytest.mark.parametrize("coding", ["unsigned", "twos_complement", "sign_magnitude"])
@pytest.mark.parametrize("bits_per_cycle", [1, 2])
def test_expected_reads_are_the_mean_of_random_bits(scheme, coding, bits_per_cycle):
    """Bits (of the magnitude, where the sign is apart) that are one with 20 %, within 5 sigma."""
    macro = ideal_macro(rows=10, cols=16, active_rows=4, weight_bits=2, input_bits=5,
                        input_coding=coding, bits_per_cycle=bits_per_cycle)  # fmt: skip
    macro = macro.model_copy(update={"zero_skipping": ZeroSkipping(model=scheme)})
    generator = np.random.default_rng(5)
    magnitude_bits = 4 if coding == "sign_magnitude" else 5
    bits = generator.random((6000, 10, magnitude_bits)) < 0.2
    values = bits @ (1 << np.arange(magnitude_bits))
    if coding == "twos_complement":
        values = np.where(values >= 16, values - 32, values)
    if coding == "sign_magnitude":
        values = values * generator.choice([-1, 1], values.shape)
    kept = kept_reads(encode_inputs(values, macro).digits, scheme=scheme, active_rows=4)
    reads = kept.sum(axis=(0, 2))
    expected = expected_reads(10, macro, density_ratio=0.2)
    assert abs(reads.mean() - expected) <= 5 * reads.std() / np.sqrt(len(reads)) + 1e-9
    assert (scheme == "none") == (expected == macro.planes * 3)


def test_an_unknown_scheme_is_named_with_the_known_ones():
    with pytest.raises(NotFoundError, match="unknown zero-skipping scheme 'nonne'; did you mean"):
        read_cycles(np.ones((1, 8), bool), scheme="nonne", active_rows=8)


def test_no_active_rows_is_refused():
    with pytest.raises(ModelRangeError, match="active_rows must be 1 or more, got 0"):
        dense_read_cycles(8, active_rows=0)
