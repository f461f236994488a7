"""QRazor and QuaRTZ: products of few bits below the leading one of each group.

Which question this module answers: *what does the transformer compute when the operands of its
products are short codes with one shift per group?*

Operands are rounded to 8- or 16-bit integers first and compressed then
(:mod:`pimsim.quantization.forms` lists which, and to what). The product needs no decompression: the
short codes are multiplied and summed inside a group, each group's sum is shifted once by the two
shifts' sum, and shifted sums are added in a wide accumulator
(:mod:`pimsim.integer.group_product`). The result is exactly that of the shifted codes multiplied as
wide integers, so that all that follows is as in :mod:`pimsim.quantization.int8_dyadic`.
"""

from collections.abc import Mapping

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.quantization.forms import check_numerics, forms_of
from pimsim.quantization.int8_dyadic import lower_integers
from pimsim.quantization.quantized import QuantizedWorkload
from pimsim.workload.graph import Workload


def quantize(
    workload: Workload, architecture: Architecture, statistics: Mapping[str, float] | None
) -> QuantizedWorkload:
    """Lower a workload under the scheme of shifted groups that the architecture names.

    Parameters and errors are those of :func:`pimsim.quantization.int8_dyadic.quantize`;
    ``numerics.group`` and ``numerics.basis_bits`` say how.
    """
    check_numerics(architecture.numerics, takes=("group", "basis_bits"))
    forms = forms_of(architecture)
    if forms is None:
        raise QuantizationError(
            f"numerics.scheme {architecture.numerics.scheme!r} is no scheme of shifted groups"
        )
    return lower_integers(workload, architecture, statistics, forms)
