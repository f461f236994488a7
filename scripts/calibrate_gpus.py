"""Fit the coefficients of the GPUs' roofline to their rows, and write them down.

python scripts/calibrate_gpus.py            pimsim/baselines/data/calibration.yaml
python scripts/calibrate_gpus.py --docs     also the tables of docs/gpu_baselines.md
"""

import argparse
from pathlib import Path

from pimsim.baselines.calibration import CalibrationFile
from pimsim.baselines.fitting import calibrate_all

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "pimsim" / "baselines" / "data" / "calibration.yaml"
HEAD = """# Coefficients of the GPUs' roofline, fitted to the rows of gpus/.
# Written by scripts/calibrate_gpus.py, not to be edited: a test fits them again.
"""


def text(file: CalibrationFile) -> str:
    """The file of all fits as YAML."""
    lines = [
        f"schema_version: {file.schema_version}",
        f"transfer_error_ratio: {file.transfer_error_ratio!r}",
        "calibrations:",
    ]
    for calibration in file.calibrations:
        for index, (name, value) in enumerate(calibration.model_dump().items()):
            lines.append(f"{'  - ' if index == 0 else '    '}{name}: {_scalar(value)}")
    return HEAD + "\n".join(lines) + "\n"


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", action="store_true")
    FILE.write_text(text(calibrate_all()), encoding="utf-8")
    if parser.parse_args().docs:
        import make_gpu_baselines

        make_gpu_baselines.write()
