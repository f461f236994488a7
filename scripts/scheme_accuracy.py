"""Score numerics schemes on any workload with weights, on a chip without errors.

python scripts/scheme_accuracy.py vit_fashion --samples 1000           print a table
python scripts/scheme_accuracy.py vit_fashion --samples 1000 --write   put it into docs/schemes.md
python scripts/scheme_accuracy.py smollm2 --samples 1 --scheme qrazor_w4a4 --set numerics.group=32

The units that decoders need, and that the chips of the library lack, are added. One scheme takes
seconds for thousands of small images and for a window of SmolLM2.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scheme_table import ACCURACY_ROWS, PAGE, Row, with_tables

from pimsim.config import Architecture, load_architecture, workload_path
from pimsim.functional import Answers, measure, run_exact
from pimsim.quantization import Observer, Statistics, calibrate, quantize
from pimsim.records import NATS_PER_TOKEN, Accuracy
from pimsim.workload import Workload, reference
from pimsim.workload.files import load
from pimsim.workload.shapes import elements

BATCH_ELEMENTS = 1 << 26
"""Elements of all tensors of one batch together: bounds memory."""

INTEGER_UNITS = {"rms_norm": "ibert_rms_norm", "silu": "ibert_silu", "rotary": "table_rotary"}
FLOAT_UNITS = {"rms_norm": "fp32_rms_norm", "silu": "fp32_silu", "rotary": "fp32_rotary"}
ROWS: tuple[Row, ...] = (
    *(row for row in ACCURACY_ROWS if not {"numerics.group=64", "numerics.group=128"} & {*row[2]}),
    ("rap_int8", "int8_dyadic", ("numerics.observer=mse",)),
    ("rap_int8", "int4", ("numerics.observer=mse",)),
    ("rap_int8", "qrazor_w4a4", ("numerics.group=16", "numerics.observer=mse")),
    ("rap_int8", "quartz_w4a4", ("numerics.group=16", "numerics.observer=mse")),
)


def chip(row: Row) -> Architecture:
    """The chip of a row, with a unit for every function."""
    name, scheme, settings = row
    units = FLOAT_UNITS if name == "conventional" else INTEGER_UNITS
    overrides = [f"units.{key}={{model: {model}, lanes: 64}}" for key, model in units.items()]
    return load_architecture(name, overrides=[*overrides, f"numerics.scheme={scheme}", *settings])


def batches(workload: Workload, arrays: Sequence[NDArray[Any]]) -> list[slice]:
    """Slices of the samples that run together."""
    dims = {**reference.bind_inputs(workload, arrays), "batch": 1}
    one = sum(elements(tensor.shape, dims) for tensor in workload.tensors.values())
    step = max(1, BATCH_ELEMENTS // one)
    return [slice(start, start + step) for start in range(0, len(arrays[0]), step)]


class Scorer:
    """The first evaluation samples of a workload, and what float32 makes of them."""

    def __init__(self, workload: Workload, samples: int | None) -> None:
        assert workload.samples is not None
        assert workload.samples.labels is not None
        self.workload, self.labels = workload, workload.samples.labels[:samples]
        self.arrays = [workload.samples.evaluation[name][:samples] for name in workload.inputs]
        self.parts = batches(workload, self.arrays)
        self.dims = reference.bind_inputs(workload, self.arrays)
        self.statistics: dict[Observer, Statistics] = {}
        output = workload.outputs[0]
        self.exact = np.concatenate(
            [
                reference.run(workload, *(a[part] for a in self.arrays))[output]
                for part in self.parts
            ]
        )

    def score(self, row: Row) -> Accuracy:
        """Accuracy of a scheme on exact products."""
        architecture = chip(row)
        observer = Observer.of(architecture.numerics)
        if observer not in self.statistics:
            self.statistics[observer] = calibrate(self.workload, observer)
        quantized = quantize(self.workload, architecture, self.statistics[observer])
        found = []
        for part in self.parts:
            named = {
                name: values[part]
                for name, values in zip(self.workload.inputs, self.arrays, strict=True)
            }
            found.append(run_exact(quantized, named, self.dims)[self.workload.outputs[0]])
        answers = np.concatenate(found)
        return measure(Answers(self.exact, answers, [answers]), self.labels, self.workload.task)


def header(result: Accuracy) -> str:
    """First two lines of the table."""
    shown = "nats per token" if result.metric == NATS_PER_TOKEN else "top-1 [%]"
    return (
        f"| scheme | settings | {shown} | agreement [%] | SNR [dB] |\n"
        "| --- | --- | ---: | ---: | ---: |"
    )


def line(row: Row, result: Accuracy) -> str:
    """One line of the table."""
    settings = ", ".join(setting.removeprefix("numerics.") for setting in row[2])
    nats = result.metric == NATS_PER_TOKEN
    score = f"{result.integer:.3f}" if nats else f"{100 * result.integer:.1f}"
    snr = f"{result.logit_snr_db:.1f}" if result.logit_snr_db < 100 else "over 100"
    return f"| `{row[1]}` | {settings} | {score} | {100 * result.agreement_ratio:.1f} | {snr} |"


def chosen(schemes: Sequence[str], settings: Sequence[str]) -> tuple[Row, ...]:
    """Rows of the schemes asked for, with the settings asked for; all rows without any."""
    if not schemes:
        return ROWS
    chips = {row[1]: row[0] for row in ROWS}
    return tuple((chips.get(scheme, "rap_int8"), scheme, tuple(settings)) for scheme in schemes)


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload")
    parser.add_argument("--samples", type=int, help="the first so many evaluation samples")
    parser.add_argument("--scheme", action="append", default=[], help="instead of all rows")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    wanted = parser.parse_args()
    np.seterr(all="raise", under="ignore")
    scorer, lines = Scorer(load(workload_path(wanted.workload)), wanted.samples), []
    for row in chosen(wanted.scheme, wanted.settings):
        start = time.monotonic()
        result = scorer.score(row)
        lines = lines or [header(result)]
        lines.append(line(row, result))
        print(lines[-1], f"{time.monotonic() - start:.0f} s", flush=True)
    if wanted.write:
        tables = {wanted.workload: "\n".join(lines)}
        PAGE.write_text(with_tables(PAGE.read_text(), tables))


if __name__ == "__main__":
    main()
