"""Write docs/validation.md from the published numbers and what pimsim makes of the descriptions.

python scripts/make_validation.py
"""

from collections.abc import Iterator
from pathlib import Path

from pimsim.validation import ValidationRow, load_published, published_chips, validate

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "validation.md"
ORDER = ("rap_table1", "isaac", "puma", "neurram", "jia2020", "hermes", "raella")
"""Chips that come first on the page, in this order; others follow by name."""
CIMLOOP = (
    ("voltage sweep (Jia et al.)", "energy 7 %, throughput 2 %"),
    ("sweep of input bits (NeuRRAM)", "energy 6 %, throughput 5 %"),
    ("energy breakdown", "4 %"),
    ("area", "8 %"),
)
"""Errors that CiMLoop reports of itself, arXiv 2405.07259."""

HEAD = """# Validation: published chips against their descriptions

Written by `scripts/make_validation.py` from `arch_configs/published/<chip>/published.yaml`; a test
checks that it is current, and `tests/validation/` that every number stays where this page says.
`pimsim validate [CHIP] --format json` prints the same rows.

Each chip is described by the architecture format and the rows of its own component table.
*Simulated* is what `pimsim describe` makes of that description. A number that a constant was fitted
to is marked **calibrated** and proves nothing; all others are predictions. The tolerance says what
counts as agreement, with its reason; a number outside it stays on the page, in bold, with what we
know of the cause. Where a tolerance was set after its deviation was known, the reason says so. One
MAC is two operations, everywhere.

What is validated here: sums and rates of published components, how energy and time follow operand
widths and supply, counts of conversions. What is not: accuracy of the chips on their own networks,
energy that depends on data, and anything beyond the boundary that the published number has.
"""

TAIL = """
## Adding a chip

A folder `arch_configs/published/<name>/` with three files, which `pimsim validate` finds by itself:

- `chip.yaml`: an architecture file. `cost.variants.<variant>.table` takes the published rows: for
  each component how many there are (`per`, `count`, `shared_by`), `area_um2`, `power_mw` while it
  works or `energy_pj` per `action`, and a `source`. The rows then stand for macros, buffers and
  network; units that the chip lacks for transformers are pimsim's, booked as `extension.<unit>`.
- `published.yaml`: what was calibrated on what, and the published numbers, each with its place,
  conditions (`set` changes the description to meet them), tolerance and reason. A number that is
  missed carries `outside` with the reason; the test fails when it no longer is.
- `citation.bib`: entries of the keys that the sources name.

A table may scale with the supply (`table.supply`, `macros.<name>.supply`), and a macro may have a
read-out whose time and energy follow operand widths (`macros.<name>.readout`), or a pipeline that
fills and drains for every vector (`macros.<name>.pipeline`).
"""

CIMLOOP_HEAD = """
## What CiMLoop reports of itself

For comparison, **their** figures for **their** model (arXiv 2405.07259), not checked here:

| what | CiMLoop's own error |
| --- | --- |
"""


def page() -> str:
    """The whole page."""
    chips = [*ORDER, *(name for name in published_chips() if name not in ORDER)]
    rows = {chip: validate([chip]) for chip in chips}
    return "".join([HEAD, *_summary(rows), *_cimloop(), *_sections(rows), TAIL])


def _summary(rows: dict[str, tuple[ValidationRow, ...]]) -> Iterator[str]:
    yield "\n## Summary\n\n"
    yield "| chip | predicted | within tolerance | largest deviation within | outside |\n"
    yield "| --- | --- | --- | --- | --- |\n"
    for chip, mine in rows.items():
        predicted = [row for row in mine if not row.calibrated]
        within = [row for row in predicted if row.within]
        worst = max((abs(row.deviation_ratio) for row in within), default=0.0)
        missed = [f"{row.metric} {row.deviation_ratio:+.1%}" for row in predicted if not row.within]
        link = f"[{chip}](#{chip})"
        yield (
            f"| {link} | {len(predicted)} | {len(within)} | {worst:.1%} | "
            f"{', '.join(missed) or 'none'} |\n"
        )


def _cimloop() -> Iterator[str]:
    yield CIMLOOP_HEAD
    for what, error in CIMLOOP:
        yield f"| {what} | {error} |\n"


def _sections(rows: dict[str, tuple[ValidationRow, ...]]) -> Iterator[str]:
    for chip, mine in rows.items():
        known = load_published(chip)
        yield f"\n## {chip}\n\n{known.title}. {known.reference}."
        if known.ops_per_mac == 1:
            yield " The source counts a MAC as one operation; numbers here count two."
        yield "\n\nCalibrated:\n\n"
        yield from (f"- {line}\n" for line in known.calibration)
        if known.notes:
            yield "\nNotes:\n\n"
            yield from (f"- {line}\n" for line in known.notes)
        yield "\n| number | of, at | published | simulated | deviation | tolerance | place |\n"
        yield "| --- | --- | --- | --- | --- | --- | --- |\n"
        yield from (_row(row) for row in mine)
        yield "\nReasons for the tolerances:\n\n"
        for row in {(row.tolerance_ratio, row.reason): row for row in mine}.values():
            yield f"- {row.tolerance_ratio:.3g}: {row.reason}\n"
        missed = [row for row in mine if row.outside is not None]
        if missed:
            yield "\nOutside the tolerance:\n\n"
            yield from (f"- `{row.metric}` ({_at(row)}): {row.outside}\n" for row in missed)
        if known.quoted:
            yield "\nPublished, and not compared:\n\n"
            yield from (f"- {one.what} ({one.place}): {one.why}\n" for one in known.quoted)


def _row(row: ValidationRow) -> str:
    mark = " **calibrated**" if row.calibrated else ""
    deviation = f"{row.deviation_ratio:+.1%}"
    if not row.within:
        deviation = f"**{deviation}**"
    return (
        f"| `{row.metric}`{mark} | {_at(row)} | {row.published:.4g} | {row.simulated:.4g} | "
        f"{deviation} | {row.tolerance_ratio:.3g} | {row.place} |\n"
    )


def _at(row: ValidationRow) -> str:
    return row.conditions.replace("|", "/") or "chip"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
