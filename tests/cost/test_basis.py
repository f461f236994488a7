"""A run can be costed from what is kept of its mapping, and that survives being written down."""

import json

import pytest

from pimsim.config import load_architecture
from pimsim.cost import basis_of, roll_up, service_times
from pimsim.cost.basis import from_document, to_document

from .conftest import SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_basis_read_back_costs_the_same_to_the_last_bit(costed, name):
    run, chip = costed[name], load_architecture(name)
    basis = basis_of(run.mapped)
    text = json.dumps(to_document(basis, service_times(chip)))
    again = from_document(json.loads(text), chip)
    assert again == basis
    assert roll_up(again, run.counts, run.timeline, run.costs.variant) == run.costs


def test_equal_hardware_is_written_once(costed):
    basis = basis_of(costed["rap"].mapped)
    document = to_document(basis, service_times(load_architecture("rap")))
    kinds = document["hardware"]
    assert len(kinds) == len({json.dumps(kind) for kind in kinds}) < len(basis.hardware)
    assert set(document["hardware_of"]) == set(basis.hardware)


def test_working_tiles_are_homes_and_places_of_blocks(costed):
    mapped = costed["rap"].mapped
    expected = {op.tile for op in mapped.ops}
    for op in mapped.ops:
        if op.placement is not None:
            expected |= {block.tile for block in op.placement.blocks}
    assert basis_of(mapped).working_tiles == expected


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("rounds"),
        lambda document: document["hardware"][0].pop("passes"),
        lambda document: document["hardware"][0].update(passes_of_other="1"),
        lambda document: document.update(macros_used={"mram": "many"}),
    ],
)
def test_a_document_of_another_form_is_an_error(costed, spoil):
    chip = load_architecture("rap")
    document = json.loads(
        json.dumps(to_document(basis_of(costed["rap"].mapped), service_times(chip)))
    )
    spoil(document)
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_document(document, chip)
