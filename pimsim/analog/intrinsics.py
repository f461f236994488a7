"""Vector instructions that numba has no words for, as LLVM code.

Which question this module answers: *how does a kernel count bits and look up codes for a whole
vector register at once?*

Every function is plain LLVM on fixed-length vectors, so that it runs on any processor; where one
has wide registers, byte-wise population count and gather loads, LLVM uses them.

Arrays come in as addresses. Callers keep them alive, contiguous and long enough.
"""

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pimsim.analog.converter_tables import UNDECIDED

COUNT_LANES: Final = 256
"""Columns that :func:`count_wide` counts at once: four registers of 64 bytes."""

STEP_LANES: Final = 16
"""Columns that :func:`look_up_codes` and :func:`look_up_currents` convert at once."""

_I1, _I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))


def _load(builder: Any, address: Any, kind: Any) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=1)


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    kind = ir.VectorType(value.type, lanes)
    empty = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(empty, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(_I32, lanes), None))


def _llvm(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, arguments)


def _count_ones(lanes: int) -> Any:
    """Build the intrinsic that counts common ones for ``lanes`` columns."""

    @intrinsic
    def count(typing_context, inputs, weights, counts, stride, length):
        signature = types.void(types.uintp, types.uintp, types.uintp, types.intp, types.intp)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            inputs, weights, counts, stride, length = arguments
            kind = ir.VectorType(_I8, lanes)
            before, loop = builder.block, builder.append_basic_block("count")
            after = builder.append_basic_block("counted")
            builder.branch(loop)
            builder.position_at_end(loop)
            index, total = builder.phi(_I64), builder.phi(kind)
            index.add_incoming(ir.Constant(_I64, 0), before)
            total.add_incoming(ir.Constant(kind, None), before)
            drive = _splat(builder, _load(builder, builder.add(inputs, index), _I8), lanes)
            place = builder.add(weights, builder.mul(index, stride))
            both = builder.and_(_load(builder, place, kind), drive)
            ones = _llvm(builder, f"llvm.ctpop.v{lanes}i8", kind, both)
            new_total, new_index = builder.add(total, ones), builder.add(index, _I64(1))
            index.add_incoming(new_index, loop)
            total.add_incoming(new_total, loop)
            builder.cbranch(builder.icmp_signed("<", new_index, length), loop, after)
            builder.position_at_end(after)
            _store(builder, new_total, counts)
            return context.get_dummy_value()

        return signature, generate

    return count


count_wide = _count_ones(COUNT_LANES)
"""``count_wide(inputs, weights, counts, stride, length)``: for each of 256 columns, the ones that
``length >= 1`` bytes of input bits have in common with the column's weight bits, modulo 256. Byte
``j`` of column ``k`` is at ``weights + j * stride + k``."""

count_narrow = _count_ones(64)
"""The same for 64 columns."""


ADD_LANES: Final = 64
"""Columns that :func:`add_rows` adds at once: four registers of 64 bytes."""


@intrinsic
def add_rows(typing_context, cells, offsets, count, sums):
    """Add rows of 32-bit cells for 64 columns and store the sums (int32).

    Row ``i`` of ``count`` starts ``offsets[i]`` (int64) bytes after ``cells``.
    """
    signature = types.void(types.uintp, types.uintp, types.intp, types.uintp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        cells, offsets, count, sums = arguments
        kind = ir.VectorType(_I32, ADD_LANES)
        before = builder.block
        loop, after = (builder.append_basic_block(name) for name in ("add", "added"))
        zero = ir.Constant(kind, None)
        builder.cbranch(builder.icmp_signed(">", count, _I64(0)), loop, after)
        builder.position_at_end(loop)
        index, total = builder.phi(_I64), builder.phi(kind)
        index.add_incoming(_I64(0), before)
        total.add_incoming(zero, before)
        place = builder.add(offsets, builder.shl(index, _I64(3)))
        row = builder.add(cells, _load(builder, place, _I64))
        new_total = builder.add(total, _load(builder, row, kind))
        new_index = builder.add(index, _I64(1))
        index.add_incoming(new_index, loop)
        total.add_incoming(new_total, loop)
        builder.cbranch(builder.icmp_signed("<", new_index, count), loop, after)
        builder.position_at_end(after)
        result = builder.phi(kind)
        result.add_incoming(zero, before)
        result.add_incoming(new_total, loop)
        _store(builder, result, sums)
        return context.get_dummy_value()

    return signature, generate


def _gather(builder: Any, table: Any, entries: Any) -> Any:
    """Load 32-bit entries of a table by 32-bit unsigned index."""
    lanes = entries.type.count
    offsets = builder.zext(entries, ir.VectorType(_I64, lanes))
    offsets = builder.shl(offsets, ir.Constant(offsets.type, [2] * lanes))
    pointers = ir.VectorType(_I32.as_pointer(), lanes)
    places = builder.inttoptr(builder.add(_splat(builder, table, lanes), offsets), pointers)
    everywhere = ir.Constant(ir.VectorType(_I1, lanes), [1] * lanes)
    return _llvm(
        builder, f"llvm.masked.gather.v{lanes}i32.v{lanes}p0", entries.type,
        places, _I32(4), everywhere, ir.Constant(entries.type, ir.Undefined),
    )  # fmt: skip


def _settle(builder: Any, found: Any, undecided: Any) -> tuple[Any, Any]:
    """Split outcomes into values (0 where undecided) and ``saturations << 32 | undecided mask``."""
    lanes = found.type.count
    mask = ir.IntType(lanes)
    ones = ir.Constant(found.type, [1] * lanes)
    zeros = ir.Constant(found.type, None)
    decided = builder.select(undecided, zeros, found)
    odd = builder.bitcast(builder.trunc(decided, ir.VectorType(_I1, lanes)), mask)
    saturated = builder.zext(_llvm(builder, f"llvm.ctpop.i{lanes}", mask, odd), _I64)
    flags = builder.zext(builder.bitcast(undecided, mask), _I64)
    both = builder.or_(builder.shl(saturated, _I64(32)), flags)
    return builder.ashr(decided, ones), both


@intrinsic
def look_up_codes(typing_context, counts, heads, bases, table, sums, head_bits):
    """Convert 16 columns by count and add what their codes stand for to ``sums`` (int32).

    The outcome is ``table[base + (count << head_bits) + (head >> (16 - head_bits))]`` with counts
    and heads of 16 bits and bases of 32; undecided columns add nothing.

    Returns the number of saturations, shifted left by 32, and a bit mask of undecided columns.
    """
    signature = types.int64(*[types.uintp] * 5, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        counts, heads, bases, table, sums, head_bits = arguments
        lanes = STEP_LANES
        i16, i32 = (ir.VectorType(kind, lanes) for kind in (_I16, _I32))
        bits = builder.trunc(head_bits, _I32)
        count = builder.zext(_load(builder, counts, i16), i32)
        head = builder.zext(_load(builder, heads, i16), i32)
        spare = _splat(builder, builder.sub(_I32(16), bits), lanes)
        entry = builder.shl(count, _splat(builder, bits, lanes))
        entry = builder.add(entry, builder.lshr(head, spare))
        found = _gather(builder, table, builder.add(entry, _load(builder, bases, i32)))
        undecided = builder.icmp_signed("==", found, ir.Constant(i32, [UNDECIDED] * lanes))
        values, both = _settle(builder, found, undecided)
        _store(builder, builder.add(_load(builder, sums, i32), values), sums)
        return both

    return signature, generate


@intrinsic
def look_up_currents(typing_context, currents, heads, lows, highs, bases, table, grid, values):
    """Convert 16 columns by current and store what their codes stand for in ``values`` (int32).

    ``lows`` and ``highs`` bound the noise by the first 12 of the 16 bits of a head. A current with
    its noise at either bound falls into a bin of the converter's row of ``table``: see ``grid``
    (origin, shift and last bin, int32). If both bins have the same outcome that is the answer; else
    the column is undecided and its value 0.

    Returns the number of saturations, shifted left by 32, and a bit mask of undecided columns.
    """
    signature = types.int64(*[types.uintp] * 8)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        currents, heads, lows, highs, bases, table, grid, values = arguments
        lanes = STEP_LANES
        i16, i32 = (ir.VectorType(kind, lanes) for kind in (_I16, _I32))
        current, base = _load(builder, currents, i32), _load(builder, bases, i32)
        head = builder.zext(_load(builder, heads, i16), i32)
        head = builder.lshr(head, ir.Constant(i32, [4] * lanes))
        origin, shift, last = (
            _splat(builder, _load(builder, builder.add(grid, grid.type(4 * place)), _I32), lanes)
            for place in range(3)
        )
        zero = ir.Constant(i32, None)
        found = []
        for bounds in (lows, highs):
            moved = builder.add(current, _gather(builder, bounds, head))
            place = builder.ashr(builder.sub(moved, origin), shift)
            place = builder.select(builder.icmp_signed("<", place, zero), zero, place)
            place = builder.select(builder.icmp_signed(">", place, last), last, place)
            found.append(_gather(builder, table, builder.add(base, place)))
        undecided = builder.or_(
            builder.icmp_signed("!=", found[0], found[1]),
            builder.icmp_signed("==", found[0], ir.Constant(i32, [UNDECIDED] * lanes)),
        )
        settled, both = _settle(builder, found[0], undecided)
        _store(builder, settled, values)
        return both

    return signature, generate


@intrinsic
def lowest_bit(typing_context, mask):
    """Return the position of the lowest one of a mask that is not zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return _llvm(builder, "llvm.cttz.i64", _I64, arguments[0], _I1(0))

    return types.int64(types.int64), generate
