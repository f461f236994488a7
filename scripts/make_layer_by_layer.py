"""Regenerate the table and the figure of docs/layer_by_layer.md.

python scripts/make_layer_by_layer.py
"""

from pathlib import Path
from typing import Final

from pimsim import Architecture, load_architecture, load_workload
from pimsim.functional import Answers, measure, run_exact
from pimsim.functional.quality import quantization_quality
from pimsim.quantization import Observer, Statistics, calibrate, quantize
from pimsim.report import layers, style
from pimsim.workload import reference

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "layer_by_layer.md"
FIGURE: Final = ROOT / "docs" / "images" / "layers_int4.svg"
BEGIN, END = "<!-- observers: begin -->", "<!-- observers: end -->"
SCHEMES: Final = ("int8_dyadic", "int4")
OBSERVERS: Final = {
    "`absolute_max`": (),
    "`percentile`, 0.999": (
        "numerics.observer=percentile",
        "numerics.percentile_ratio=0.999",
    ),
    "`mse`": ("numerics.observer=mse",),
    "`mse`, weights `per_tensor`": ("numerics.observer=mse", "numerics.weight_scales=per_tensor"),
}


def chip(scheme: str, *overrides: str) -> Architecture:
    """The reference chip under a scheme."""
    return load_architecture("rap_int8", overrides=[f"numerics.scheme={scheme}", *overrides])


def table() -> str:
    """Markdown of what the observers make of two schemes on an ideal chip."""
    workload = load_workload("vit_digits")
    assert workload.samples is not None
    inputs, output = workload.samples.evaluation, workload.outputs[0]
    exact = reference.run(workload, *(inputs[name] for name in workload.inputs))[output]
    known: dict[Observer, Statistics] = {}

    def cell(architecture: Architecture) -> str:
        observer = Observer.of(architecture.numerics)
        if observer not in known:
            known[observer] = calibrate(workload, observer)
        found = run_exact(quantize(workload, architecture, known[observer]), inputs, {})[output]
        score = measure(Answers(exact, found, [found]), workload.samples.labels)
        return f"{100 * score.integer:.1f} %, {score.logit_snr_db:.1f} dB"

    lines = [
        f"| observer | {' | '.join(f'`{scheme}`' for scheme in SCHEMES)} |",
        "|" + " --- |" * (1 + len(SCHEMES)),
    ]
    for name, overrides in OBSERVERS.items():
        cells = [cell(chip(scheme, *overrides)) for scheme in SCHEMES]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its table replaced."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    quality = quantization_quality(load_workload("vit_digits"), chip("int4"))
    FIGURE.write_text(style.to_svg(layers.draw(quality)))
