"""Which integers the operands of products are under each scheme, and which keys a scheme takes."""

from fractions import Fraction

import pytest

from pimsim.config import load_architecture
from pimsim.errors import ConfigError, QuantizationError
from pimsim.quantization import check_scheme
from pimsim.quantization.forms import effective_bits, evenly_spaced, forms_of

GROUPED = ("qrazor_w4a4", "qrazor_w4a8", "qrazor_w4a4kv4", "quartz_w4a4")


def chip(scheme: str, *more: str, base: str = "rap_int8"):
    return load_architecture(base, overrides=[f"numerics.scheme={scheme}", *more])


@pytest.mark.parametrize("group", [1, 8, 16, 32, 64, 128])
def test_a_code_takes_four_bits_and_its_share_of_the_flag(group):
    """QRazor: 4 + 3/g on an 8-bit basis; 4.38, 4.19, 4.10 (that is 4.09) at 8, 16, 32."""
    assert Fraction(effective_bits(group, 8)) == 4 + Fraction(3, group)
    assert Fraction(effective_bits(group, 16)) == 4 + Fraction(4, group)


def test_the_published_effective_bits_come_out():
    for group, published in ((8, 4.38), (16, 4.19), (32, 4.10), (64, 4.05), (128, 4.03)):
        assert abs(effective_bits(group, 8) - published) < 0.01


@pytest.mark.parametrize(
    ("scheme", "bits", "basis"),
    [
        ("qrazor_w4a4", (4, 4, 8), (8, 16, 8)),
        ("qrazor_w4a8", (4, 8, 8), (8, 16, 8)),
        ("qrazor_w4a4kv4", (4, 4, 4), (8, 16, 8)),
        ("quartz_w4a4", (4, 4, 8), (8, 8, 8)),
    ],
)
def test_the_name_of_a_scheme_tells_the_widths(scheme, bits, basis):
    forms = forms_of(chip(scheme))
    three = (forms.weights, forms.driven, forms.stored)
    assert tuple(form.bits for form in three) == bits
    assert tuple(form.basis_bits for form in three) == basis
    assert forms.group == 16
    assert all(form.shift_max == form.basis_bits - form.bits for form in three)


def test_flags_hold_every_shift():
    """Largest magnitude of the basis, moved down to the kept bits."""
    for scheme in GROUPED:
        forms = forms_of(chip(scheme))
        for form in (forms.weights, forms.driven, forms.stored):
            largest = (1 << (form.basis_bits - 1)) - 1
            kept = (1 << (form.bits - 1)) - 1
            assert largest >> form.shift_max == kept
            assert form.shift_max < 1 << form.flag_bits


def test_a_basis_as_narrow_as_the_codes_needs_no_shift():
    forms = forms_of(chip("qrazor_w4a8", "numerics.basis_bits=8"))
    assert forms.driven.compression is None
    assert (forms.driven.shift_max, forms.driven.flag_bits) == (0, 0)
    assert evenly_spaced(8).driven == forms.driven


def test_plain_integers_have_no_groups():
    assert forms_of(chip("int4")) is None
    assert forms_of(chip("int8_dyadic")) is None


@pytest.mark.parametrize("scheme", ["int8_dyadic", "int4"])
@pytest.mark.parametrize("setting", ["group=16", "basis_bits=8"])
def test_a_key_that_a_scheme_does_not_take_is_an_error(scheme, setting):
    key = setting.split("=")[0]
    message = rf"^numerics\.{key} means nothing to scheme '{scheme}'; .*qrazor_w4a4"
    with pytest.raises(QuantizationError, match=message):
        check_scheme(chip(scheme, f"numerics.{setting}"))


def test_a_key_is_also_refused_on_a_floating_chip():
    with pytest.raises(QuantizationError, match=r"numerics\.group means nothing"):
        check_scheme(chip("int8_dqq", "numerics.group=8", base="conventional"))


@pytest.mark.parametrize("scheme", ["int4", *GROUPED])
def test_a_chip_of_integer_units_takes_every_integer_scheme(scheme):
    check_scheme(chip(scheme))


@pytest.mark.parametrize("setting", ["group=0", "group=1.5", "basis_bits=12"])
def test_settings_out_of_range_are_errors_of_the_file(setting):
    with pytest.raises(ConfigError, match="numerics"):
        chip("qrazor_w4a4", f"numerics.{setting}")


def test_the_reference_is_no_scheme_for_a_chip():
    with pytest.raises(QuantizationError, match="'float32' serves comparisons only"):
        check_scheme(chip("float32"))
