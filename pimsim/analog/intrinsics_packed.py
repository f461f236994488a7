"""Vector instructions for packed reads, as LLVM code; see :mod:`pimsim.analog.intrinsics`.

Which question this module answers: *how are the rows of a read listed, its columns counted and its
deviations bounded, many at a time?*

A *list* is eight row numbers of 16 bits. Cells are bits: 512 columns of one row lie side by side in
64 bytes, a *line*, and the lines of all rows one after another.
"""

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pimsim.analog.intrinsics import _I1, _I8, _I16, _I64, _llvm, _load, _splat, _store
from pimsim.analog.margins import READ_ROWS_MAX

LINE_BYTES: Final = 64
"""Bytes of a line: 512 columns of one-bit cells."""

BLOCK_LANES: Final = 64
"""Columns whose rounded deviations :func:`beyond_in_block` adds at once."""

BLOCKS: Final = 8
"""Blocks of a line."""

_BITS_OF_BYTES: Final = 0x0102040810204080
"""Multiplier that collects the lowest bits of eight bytes in the highest byte."""


@intrinsic
def list_ones(typing_context, digits, places, base, rows):
    """List which of eight digits (bytes of 0 or 1) are one, and return how many.

    ``places`` holds the positions of the ones of every byte value, a list each; ``base`` is added
    to them. All of ``rows`` is written, whatever the number.
    """
    signature = types.int64(types.uintp, types.uintp, types.intp, types.uintp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        digits, places, base, rows = arguments
        kind = ir.VectorType(_I16, READ_ROWS_MAX)
        held = _load(builder, digits, _I64)
        pattern = builder.lshr(builder.mul(held, _I64(_BITS_OF_BYTES)), _I64(56))
        place = builder.add(places, builder.shl(pattern, _I64(4)))
        first = _splat(builder, builder.trunc(base, _I16), READ_ROWS_MAX)
        _store(builder, builder.add(_load(builder, place, kind), first), rows)
        return _llvm(builder, "llvm.ctpop.i64", _I64, held)

    return signature, generate


@intrinsic
def copy_rows(typing_context, rows, count, target):
    """Put the first ``count`` of eight row numbers at ``target``, leaving the others there."""
    signature = types.void(types.uintp, types.intp, types.uintp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, count, target = arguments
        kind = ir.VectorType(_I16, READ_ROWS_MAX)
        numbers = ir.Constant(kind, list(range(READ_ROWS_MAX)))
        own = builder.icmp_signed(
            "<", numbers, _splat(builder, builder.trunc(count, _I16), READ_ROWS_MAX)
        )
        chosen = builder.select(own, _load(builder, rows, kind), _load(builder, target, kind))
        _store(builder, chosen, target)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def fill_rows(typing_context, row, target):
    """Put one row number at all eight places of a list."""
    signature = types.void(types.intp, types.uintp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, target = arguments
        _store(builder, _splat(builder, builder.trunc(row, _I16), READ_ROWS_MAX), target)
        return context.get_dummy_value()

    return signature, generate


def _lines_of(builder: Any, rows: Any, base: Any, stride: int) -> list[Any]:
    """Addresses of the lines of the eight rows of a list."""
    addresses = []
    for index in range(READ_ROWS_MAX):
        row = builder.zext(_load(builder, builder.add(rows, _I64(2 * index)), _I16), _I64)
        addresses.append(builder.add(base, builder.mul(row, _I64(stride))))
    return addresses


def _full_add(builder: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """Sum and carry of three words, bit by bit."""
    half = builder.xor(a, b)
    carry = builder.or_(builder.and_(half, c), builder.and_(builder.not_(half), a))
    return builder.xor(half, c), carry


def _sums_of(builder: Any, x: list[Any]) -> list[Any]:
    """Bits 1, 2, 4 and 8 of the sums of eight words, bit by bit, and those that meet.

    That is: 1, 2, 4, 8, 1 and 2, 1 and 4, 2 and 4, all three.
    """
    s1, c1 = _full_add(builder, x[0], x[1], x[2])
    s2, c2 = _full_add(builder, x[3], x[4], x[5])
    s3, c3 = builder.xor(x[6], x[7]), builder.and_(x[6], x[7])
    one, c4 = _full_add(builder, s1, s2, s3)
    t1, d1 = _full_add(builder, c1, c2, c3)
    two, d2 = builder.xor(t1, c4), builder.and_(t1, c4)
    four, eight = builder.xor(d1, d2), builder.and_(d1, d2)
    both = builder.and_(one, two)
    pairs = [both, builder.and_(one, four), builder.and_(two, four)]
    return [one, two, four, eight, *pairs, builder.and_(both, four)]


@intrinsic
def add_columns(typing_context, cells, rows, reads, seen):
    """Add the columns of ``reads`` lists, and count the columns by the bits of their sums.

    ``cells`` are lines of bits. ``seen`` are eight times eight sums (int64): the eight of one line
    together are the columns whose sum has bit 1, 2, 4, 8, both 1 and 2, 1 and 4, 2 and 4, all of
    1, 2 and 4.
    """
    signature = types.void(types.uintp, types.uintp, types.intp, types.uintp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        cells, rows, reads, seen = arguments
        kind = ir.VectorType(_I64, LINE_BYTES // 8)
        lines = [builder.add(seen, _I64(LINE_BYTES * k)) for k in range(READ_ROWS_MAX)]
        starts = [_load(builder, line, kind) for line in lines]
        before = builder.block
        loop, after = (builder.append_basic_block(name) for name in ("count", "counted"))
        builder.cbranch(builder.icmp_signed(">", reads, _I64(0)), loop, after)
        builder.position_at_end(loop)
        index, totals = builder.phi(_I64), [builder.phi(kind) for _ in starts]
        index.add_incoming(_I64(0), before)
        own = builder.add(rows, builder.shl(index, _I64(4)))
        held = [_load(builder, at, kind) for at in _lines_of(builder, own, cells, LINE_BYTES)]
        found = []
        for total, start, marked in zip(totals, starts, _sums_of(builder, held), strict=True):
            ones = _llvm(builder, f"llvm.ctpop.v{LINE_BYTES // 8}i64", kind, marked)
            found.append(builder.add(total, ones))
            total.add_incoming(start, before)
            total.add_incoming(found[-1], loop)
        new_index = builder.add(index, _I64(1))
        index.add_incoming(new_index, loop)
        builder.cbranch(builder.icmp_signed("<", new_index, reads), loop, after)
        builder.position_at_end(after)
        results = [builder.phi(kind) for _ in lines]  # all before anything else in their block
        for result, start, last in zip(results, starts, found, strict=True):
            result.add_incoming(start, before)
            result.add_incoming(last, loop)
        for line, result in zip(lines, results, strict=True):
            _store(builder, result, line)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def next_beyond(typing_context, bounds, rows, first, reads, limit, flags):
    """Find the next of ``reads`` lists, from ``first`` on, whose bounds add up beyond ``limit``.

    ``bounds`` are lines of 64 bytes without sign, whose sums stop at 255; ``limit`` is less.
    Returns the number of the list, ``reads`` if there is none, and puts the mask of the bytes
    beyond at ``flags``.
    """
    signature = types.int64(*[types.uintp] * 2, *[types.intp] * 3, types.uintp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        bounds, rows, first, reads, limit, flags = arguments
        kind, mask = ir.VectorType(_I8, LINE_BYTES), ir.IntType(LINE_BYTES)
        most = _splat(builder, builder.trunc(limit, _I8), LINE_BYTES)
        before = builder.block
        names = ("test", "bound", "next", "found")
        test, bound, step, after = (builder.append_basic_block(name) for name in names)
        builder.branch(test)
        builder.position_at_end(test)
        index = builder.phi(_I64)
        index.add_incoming(first, before)
        builder.cbranch(builder.icmp_signed("<", index, reads), bound, after)
        builder.position_at_end(bound)
        own = builder.add(rows, builder.shl(index, _I64(4)))
        parts = [_load(builder, at, kind) for at in _lines_of(builder, own, bounds, LINE_BYTES)]
        while len(parts) > 1:
            parts = [
                _llvm(builder, f"llvm.uadd.sat.v{LINE_BYTES}i8", kind, a, b)
                for a, b in zip(parts[::2], parts[1::2], strict=True)
            ]
        beyond = builder.bitcast(builder.icmp_unsigned(">", parts[0], most), mask)
        _store(builder, beyond, flags)
        builder.cbranch(builder.icmp_unsigned("!=", beyond, mask(0)), after, step)
        builder.position_at_end(step)
        index.add_incoming(builder.add(index, _I64(1)), step)
        builder.branch(test)
        builder.position_at_end(after)
        return index

    return signature, generate


@intrinsic
def beyond_in_block(typing_context, cells, off, on, rows, limit):
    """Mask of the 64 columns of a block whose rounded deviations add up beyond ``limit``.

    ``cells`` is the word of the block in the first line, and ``off`` and ``on`` are the deviations
    of row 0 in the block, where its cells hold 0 and 1: bytes with sign, 512 to a row. Sums fit 8
    bits.
    """
    signature = types.uint64(*[types.uintp] * 4, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        cells, off, on, rows, limit = arguments
        lanes = BLOCK_LANES
        kind, mask = ir.VectorType(_I8, lanes), ir.IntType(lanes)
        total = ir.Constant(kind, None)
        line = LINE_BYTES * BLOCKS
        places = zip(*(_lines_of(builder, rows, base, stride)
                       for base, stride in ((cells, LINE_BYTES), (off, line), (on, line))),
                     strict=True)  # fmt: skip
        for word, low, high in places:
            held = builder.bitcast(_load(builder, word, mask), ir.VectorType(_I1, lanes))
            own = builder.select(held, _load(builder, high, kind), _load(builder, low, kind))
            total = builder.add(total, own)
        most = _splat(builder, builder.trunc(limit, _I8), lanes)
        span = _splat(builder, builder.trunc(builder.shl(limit, _I64(1)), _I8), lanes)
        beyond = builder.icmp_unsigned(">", builder.add(total, most), span)
        return builder.bitcast(beyond, mask)

    return signature, generate
