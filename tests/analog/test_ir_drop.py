"""Wires: first order against a nodal solution of the resistor network, and where it ends."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from pimsim.analog.ir_drop import LOSS_MAX_RATIO, loss_ratio
from pimsim.config.cells import Wires
from pimsim.errors import ModelRangeError

ON_SIEMENS = 20e-6


def wires(bit_line_ohm=0.0, word_line_ohm=0.0, activity_ratio=1.0):
    return Wires(
        on_conductance_usiemens=ON_SIEMENS * 1e6,
        bit_line_ohm=bit_line_ohm or None,
        word_line_ohm=word_line_ohm or None,
        activity_ratio=activity_ratio,
    )


def nodal_currents(siemens, driven, bit_line_ohm, word_line_ohm):
    """Current of every cell at 1 V, from Kirchhoff's laws at two nodes per cell.

    Word lines are driven with 1 V in front of column 0, bit lines held at 0 V before row 0. Rows
    that are not driven carry nothing. A line without resistance is given 1 nΩ.
    """
    rows, cols = siemens.shape
    word = np.arange(rows * cols).reshape(rows, cols)
    bit = word + rows * cols
    size = 2 * rows * cols
    entries, right = [], np.zeros(size)

    def connect(a, b, conductance):
        """Conductance between two nodes, or between a node and a source [V] where b is a float."""
        entries.append((a, a, conductance))
        if isinstance(b, float):
            right[a] += conductance * b
            return
        entries.extend([(b, b, conductance), (a, b, -conductance), (b, a, -conductance)])

    along_word, along_bit = 1 / max(word_line_ohm, 1e-9), 1 / max(bit_line_ohm, 1e-9)
    for i in range(rows):
        for j in range(cols):
            connect(int(word[i, j]), 1.0 if j == 0 else int(word[i, j - 1]), along_word)
            connect(int(bit[i, j]), 0.0 if i == 0 else int(bit[i - 1, j]), along_bit)
            if driven[i]:
                connect(int(word[i, j]), int(bit[i, j]), siemens[i, j])
    place = np.array([(a, b) for a, b, _ in entries]).T
    matrix = coo_array((np.array([g for *_, g in entries]), (place[0], place[1])), (size, size))
    voltage = spsolve(matrix.tocsc(), right)
    return (voltage[word] - voltage[bit]) * siemens * driven[:, None]


def loss_by_nodes(siemens, bit_line_ohm, word_line_ohm, active_rows):
    """Share that each cell loses when its group of rows conducts, exactly."""
    loss = np.zeros(siemens.shape)
    for first in range(0, len(siemens), active_rows):
        driven = np.zeros(len(siemens), bool)
        driven[first : first + active_rows] = True
        currents = nodal_currents(siemens, driven, bit_line_ohm, word_line_ohm)
        rows = driven.nonzero()[0]
        loss[rows] = 1 - currents[rows] / siemens[rows]
    return loss


def pattern(rows, cols, seed=0):
    return np.where(np.random.default_rng(seed).random((rows, cols)) < 0.5, 1.0, 0.4)


@pytest.mark.parametrize(
    ("bit_line_ohm", "word_line_ohm"), [(0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (2.0, 0.0)]
)
def test_first_order_agrees_with_the_network_to_the_square_of_the_loss(bit_line_ohm, word_line_ohm):
    g = pattern(32, 24)
    found = loss_ratio(g[None], wires(bit_line_ohm, word_line_ohm), active_rows=8)[0]
    exact = loss_by_nodes(g * ON_SIEMENS, bit_line_ohm, word_line_ohm, 8)
    worst = exact.max()
    assert 0.001 < worst < LOSS_MAX_RATIO
    assert np.abs(found - exact).max() < worst**2 + 1e-6


def test_the_error_of_first_order_grows_with_the_square_of_the_resistance():
    """This is where first order stops being good: at a tenth it misses about a hundredth."""
    g = pattern(64, 1)
    errors, losses = [], []
    for ohm in (0.5, 1.0, 2.0, 4.0):
        exact = loss_by_nodes(g * ON_SIEMENS, ohm, 0.0, 16)
        found = loss_ratio(g[None], wires(ohm), active_rows=16)[0]
        errors.append(np.abs(found - exact).max())
        losses.append(found.max())
    assert np.array(errors[1:]) / errors[:-1] == pytest.approx([4.0] * 3, rel=0.25)
    assert 0.05 < losses[-1] < LOSS_MAX_RATIO
    assert 0.3 < errors[-1] / losses[-1] ** 2 < 1.0


def test_outside_first_order_the_message_has_the_numbers():
    with pytest.raises(ModelRangeError) as caught:
        loss_ratio(np.ones((1, 1024, 1)), wires(2.0), active_rows=8)
    message = str(caught.value)
    assert "row 1023, column 0" in message
    assert "first order holds up to 0.1" in message
    assert "bit_line_ohm (2)" in message


def test_activity_is_the_mean_over_random_inputs():
    """With half of the other rows conducting, the loss is the mean of the nodal one."""
    rng, g = np.random.default_rng(4), pattern(8, 1)
    losses = np.zeros((8, 1))
    times = np.zeros((8, 1))
    for _ in range(400):
        driven = rng.random(8) < 0.5
        if not driven.any():
            continue
        currents = nodal_currents(g * ON_SIEMENS, driven, 4.0, 0.0)
        losses[driven] += 1 - currents[driven] / (g[driven] * ON_SIEMENS)
        times[driven] += 1
    found = loss_ratio(g[None], wires(4.0, activity_ratio=0.5), active_rows=8)[0]
    assert found == pytest.approx(losses / times, rel=0.05)


def test_slices_of_a_column_lie_side_by_side():
    """Two slices of three columns equal six columns, interleaved."""
    g = pattern(4, 6, seed=5)
    sliced = np.stack((g[:, 0::2], g[:, 1::2]))
    found = loss_ratio(sliced, wires(0.1, 0.7), active_rows=2)
    flat = loss_ratio(g[None], wires(0.1, 0.7), active_rows=2)[0]
    assert found[0] == pytest.approx(flat[:, 0::2])
    assert found[1] == pytest.approx(flat[:, 1::2])


def test_leading_axes_are_arrays_of_their_own():
    one, two = pattern(6, 3, seed=6), pattern(6, 3, seed=7)
    both = loss_ratio(np.stack((one, two))[:, None], wires(1.0, 1.0), active_rows=3)
    for index, g in enumerate((one, two)):
        alone = loss_ratio(g[None], wires(1.0, 1.0), active_rows=3)
        assert both[index] == pytest.approx(alone)


def test_far_rows_lose_most_and_other_reads_do_not_matter():
    g = np.ones((1, 16, 1))
    loss = loss_ratio(g, wires(1.0), active_rows=4)[0, :, 0]
    assert (np.diff(loss) > 0).all()
    emptied = g.copy()
    emptied[0, :4] = 0.0
    assert loss_ratio(emptied, wires(1.0), active_rows=4)[0, 4:, 0] == pytest.approx(loss[4:])
