"""In which integers the two operands of a product meet, scheme by scheme.

Which question this module answers: *how many bits does each operand of a product have, and does a
group of them share a shift?*

Every integer scheme first rounds real numbers to a *basis* of evenly spaced integers: weights per
output channel, activations and keys and values per tensor, from the largest absolute value. An
``int`` scheme multiplies these. QRazor [1]_ and QuaRTZ [2]_ then keep, of each group of neighbours
along the sum, the few bits below the group's leading one, with one shift (*flag*) per group, by
:class:`pimsim.integer.leading_one.LeadingOneShift`. In each name ``w`` is the width of a weight,
``a`` that of the operand driven on the word lines (queries and attention weights among them), and
``kv`` that of keys and values, which have 8 bits where the name does not mention them.

==================  =======  ===========  ================  ===========================
scheme              weights  activations  keys and values   basis of the three [bit]
==================  =======  ===========  ================  ===========================
int8_dyadic         8        8            8                 8, 8, 8
int4                4        4            4                 4, 4, 4
qrazor_w4a4         3 + s    3 + s        8                 8, 16, 8
qrazor_w4a8         3 + s    7 + s        8                 8, 16, 8
qrazor_w4a4kv4      3 + s    3 + s        3 + s             8, 16, 8
quartz_w4a4         3 + s    3 + s        8                 8, 8, 8
==================  =======  ===========  ================  ===========================

``s`` is a sign. ``numerics.basis_bits`` sets the basis of activations, ``numerics.group`` the size
of a group, which is 16 by default. With a basis of 8 bits the activations of ``qrazor_w4a8`` need
no shift.

Not modelled: a scale per token, as QRazor's activations have; the zero point of QuaRTZ's minimum-
maximum basis (here the range is symmetric); the storage of weight flags beside a macro.

References
----------
.. [1] D. Lee, S. Choi, I. J. Chang, QRazor, arXiv:2501.13331; bases as in
   github.com/dnotitia/qllm-infer, lib/qrazor. Which operands of attention are compressed when the
   cache is not, is our reading.
.. [2] D. Kim, D. Lee, I. J. Chang, S.-H. Bae, QuaRTZ, arXiv:2509.26436.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, Literal

from pimsim.config.architecture import Architecture, Numerics
from pimsim.errors import QuantizationError
from pimsim.integer.leading_one import LeadingOneShift, qrazor_sdr, quartz_lzs
from pimsim.workload.graph import PRODUCT_KINDS, Workload

DEFAULT_GROUP: Final = 16
RAP_SCHEME: Final = "rap_int8p1"
RAP_KEYS: Final = ("kv_bits", "kv_msb", "kv_round", "normalization", "branch_scale")
"""Keys of ``numerics`` that this scheme alone takes."""
NARROW_BASIS_BITS: Final = 8
"""Basis of weights, and of keys and values. [bit]"""


@dataclass(frozen=True, slots=True)
class OperandForm:
    """Integers of one operand of a product."""

    basis_bits: int
    """Width of the evenly spaced integers, sign included. [bit]"""
    compression: LeadingOneShift | None = None
    """What keeps the leading bits of each group; ``None``: the basis is the operand."""

    @property
    def bits(self) -> int:
        """Width of a code as it enters the crossbar, sign included. [bit]"""
        return self.basis_bits if self.compression is None else self.compression.kept_bits + 1

    @property
    def shift_max(self) -> int:
        """Largest shift of a group. [bit]"""
        return self.basis_bits - self.bits

    @property
    def flag_bits(self) -> int:
        """Width of a group's shift where it is stored; 0 without shifts. [bit]"""
        return self.shift_max.bit_length()


@dataclass(frozen=True, slots=True)
class ProductForms:
    """Integers of all operands under one scheme."""

    weights: OperandForm
    """Static weights, in the cells."""
    driven: OperandForm
    """What is driven on the word lines: activations, queries, attention weights."""
    stored: OperandForm
    """What is written into cells at run time: keys and values."""
    group: int | None = None
    """Rows of a product that share one shift; ``None``: no operand has shifts."""


def evenly_spaced(bits: int) -> ProductForms:
    """All operands as plain integers of one width."""
    return ProductForms(OperandForm(bits), OperandForm(bits), OperandForm(bits))


def forms_of(architecture: Architecture) -> ProductForms | None:
    """What a scheme of shifted groups makes of products; ``None`` for any other scheme.

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> chip = load_architecture("rap", overrides=["numerics.scheme=qrazor_w4a4kv4"])
    >>> forms = forms_of(chip)
    >>> forms.group, forms.driven.basis_bits, forms.driven.bits, forms.stored.shift_max
    (16, 16, 4, 4)
    """
    settings = _GROUPED.get(architecture.numerics.scheme)
    return None if settings is None else _forms(settings, architecture.numerics)


def effective_bits(group: int, basis_bits: int, *, kept_bits: int = 3) -> float:
    """Bits of storage per element of a compressed tensor: its code and its share of the flag.

    Parameters
    ----------
    group
        Elements that share one flag.
    basis_bits
        Width of the integers before compression, sign included. [bit]
    kept_bits
        Bits of magnitude that are kept. [bit]

    Notes
    -----
    A group is shifted by 0 to ``basis_bits - 1 - kept_bits`` places, so that its flag takes 3 bits
    on an 8-bit basis and 4 on a 16-bit one: ``4 + 3 / group`` and ``4 + 4 / group``.

    Examples
    --------
    >>> [round(effective_bits(group, 8), 2) for group in (8, 16, 32, 64, 128)]
    [4.38, 4.19, 4.09, 4.05, 4.02]
    >>> effective_bits(16, 16)
    4.25
    """
    return kept_bits + 1 + (basis_bits - 1 - kept_bits).bit_length() / group


def check_numerics(numerics: Numerics, takes: tuple[str, ...] = ()) -> None:
    """Raise if a key stands in the file that the scheme does not take.

    Raises
    ------
    QuantizationError
        With the key and the schemes that take it.
    """
    for schemes, keys in ((_GROUPED, ("group", "basis_bits")), ((RAP_SCHEME,), RAP_KEYS)):
        for key in keys:
            if getattr(numerics, key) is not None and key not in takes:
                raise QuantizationError(
                    f"numerics.{key} means nothing to scheme {numerics.scheme!r}; remove it, or "
                    f"choose {'' if len(schemes) == 1 else 'one of '}{', '.join(sorted(schemes))}"
                )
    if numerics.overrides and "overrides" not in takes:
        raise QuantizationError(
            f"numerics.overrides means nothing to scheme {numerics.scheme!r}; remove it, or choose "
            f"one of {', '.join(sorted(_PLAIN_BITS))}"
        )


def overridden_forms(workload: Workload, numerics: Numerics) -> dict[str, ProductForms]:
    """Products whose operands ``numerics.overrides`` gives another scheme, and their forms.

    A pattern is matched against the names of products, ``*`` standing for anything; where several
    match, the last one counts. Only schemes of plain integers mix: they differ in the width of the
    operands of products alone, every tensor has the width of its widest reader, and a narrower
    product rounds it once more for itself.

    Raises
    ------
    QuantizationError
        If a scheme has other operands, or a pattern matches no product.
    """
    found: dict[str, ProductForms] = {}
    products = [op.name for op in workload.ops if op.kind in PRODUCT_KINDS]
    for override in numerics.overrides:
        bits = _PLAIN_BITS.get(override.scheme)
        if bits is None:
            raise QuantizationError(
                f"numerics.overrides: scheme {override.scheme!r} does not mix with others; choose "
                f"one of {', '.join(sorted(_PLAIN_BITS))}"
            )
        matching = [name for name in products if fnmatchcase(name, override.ops)]
        if products and not matching:
            raise QuantizationError(
                f"numerics.overrides: {override.ops!r} matches none of the {len(products)} "
                f"products of workload {workload.name!r}, such as {products[0]!r}"
            )
        found.update(dict.fromkeys(matching, evenly_spaced(bits)))
    return found


@dataclass(frozen=True, slots=True)
class _Settings:
    method: Literal["qrazor", "quartz"]
    basis_bits: Literal[8, 16]
    """Of activations, unless the architecture says otherwise."""
    activation_bits: int
    cache_is_compressed: bool = False


_GROUPED: Final = MappingProxyType(
    {
        "qrazor_w4a4": _Settings("qrazor", 16, 4),
        "qrazor_w4a8": _Settings("qrazor", 16, 8),
        "qrazor_w4a4kv4": _Settings("qrazor", 16, 4, cache_is_compressed=True),
        "quartz_w4a4": _Settings("quartz", 8, 4),
    }
)


_PLAIN_BITS: Final = MappingProxyType({"int8_dyadic": 8, "int4": 4})
"""Schemes of plain integers → width of the operands of products. [bit]"""


def _forms(settings: _Settings, numerics: Numerics) -> ProductForms:
    group = DEFAULT_GROUP if numerics.group is None else numerics.group
    wide = settings.basis_bits if numerics.basis_bits is None else numerics.basis_bits
    method = qrazor_sdr if settings.method == "qrazor" else quartz_lzs

    def compressed(basis_bits: int, bits: int) -> OperandForm:
        if basis_bits == bits:
            return OperandForm(bits)
        unit = method(input_bits=basis_bits, group_size=group, kept_bits=bits - 1)
        return OperandForm(basis_bits, unit)

    weights = compressed(NARROW_BASIS_BITS, 4)
    cache = weights if settings.cache_is_compressed else OperandForm(NARROW_BASIS_BITS)
    return ProductForms(weights, compressed(wide, settings.activation_bits), cache, group)
