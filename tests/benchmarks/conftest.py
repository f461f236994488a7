"""Prints what the benchmarks did beside how long they took."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """One line per benchmark that counts conversions: their rate, and the rate of plain NumPy."""
    session = getattr(config, "_benchmarksession", None)
    benchmarks = [] if session is None else session.benchmarks
    rows = [bench for bench in benchmarks if bench.extra_info.get("conversions") and bench.stats]
    if not rows:
        return
    terminalreporter.write_sep("-", "conversions: best round of each")
    terminalreporter.write_line(
        f"{'benchmark':<44}{'ms':>9}{'conversions':>15}{'1e9/s':>8}{'ns each':>9}{'x NumPy':>9}"
    )
    for bench in sorted(rows, key=lambda bench: str(bench.name)):
        done, best = bench.extra_info["conversions"], bench.stats.min
        numpy_s = bench.extra_info.get("numpy_ns_per_conversion")
        ratio = f"{numpy_s * 1e-9 * done / best:9.1f}" if numpy_s else f"{'':>9}"
        terminalreporter.write_line(
            f"{bench.name:<44}{best * 1e3:9.2f}{done:15,}{done / best * 1e-9:8.3f}"
            f"{best / done * 1e9:9.4f}{ratio}"
        )
