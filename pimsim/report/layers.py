"""What quantization does to each layer, as a table, a figure and a folder.

Which question this module answers: *how is a scheme's quality, layer by layer, kept and shown?*

A folder holds ``quantization.json`` (everything), ``layers.csv`` (one row per layer) and
``figures/layers.svg`` and ``.png`` (the worst layers).
"""

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from pimsim.functional.quality import BitSparsity, LayerQuality, QuantizationQuality
from pimsim.provenance import VERSION
from pimsim.report import style
from pimsim.report.folder import check_output, write_whole
from pimsim.report.wording import number, percent

DOCUMENT: Final = "quantization.json"
FORMAT_VERSION: Final = 1

_MOST_LAYERS: Final = 20
_KINDS: Final = (
    ("product", style.BLUE, ("linear", "matmul", "convolution")),
    ("function", style.ORANGE, ("softmax", "layer_norm", "rms_norm", "gelu", "silu", "rotary")),
    ("other", style.GREEN, ()),
)


def to_json(quality: QuantizationQuality) -> str:
    """Write everything as JSON; a signal-to-noise ratio without noise is ``null``."""
    document = {"format_version": FORMAT_VERSION, "pimsim_version": VERSION, **asdict(quality)}
    return json.dumps(_finite(document), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def layers(quality: QuantizationQuality) -> pd.DataFrame:
    """One row per layer, in execution order."""
    return pd.DataFrame([_row(layer) for layer in quality.layers])


def _row(layer: LayerQuality) -> dict[str, Any]:
    row = asdict(layer)
    for operand in ("driven", "stored"):
        found: BitSparsity | None = getattr(layer, operand)
        del row[operand]
        for key in BitSparsity.__dataclass_fields__:
            row[f"{operand}_{key}"] = None if found is None else getattr(found, key)
    return row


def draw(quality: QuantizationQuality) -> Figure:
    """Signal-to-quantization-noise ratio of the worst layers, the worst at the top."""
    finite = [layer for layer in quality.layers if math.isfinite(layer.sqnr_db)]
    shown = sorted(finite, key=lambda layer: layer.sqnr_db)[:_MOST_LAYERS]
    with style.applied():
        figure, axes = style.new_figure(1.4 + 0.24 * max(len(shown), 2))
        for kind, color, _ in _KINDS:
            rows = [row for row, layer in enumerate(shown) if _kind(layer) == kind]
            values = [shown[row].sqnr_db for row in rows]
            if rows:
                axes.barh(
                    rows,
                    values,
                    height=0.66,
                    color=color,
                    label=f"output of a {kind}" if kind != "other" else "other",
                )
        for row, layer in enumerate(shown):
            clipped = f", {percent(layer.clipped_ratio)} clipped" if layer.clipped_ratio else ""
            text = f"{number(layer.sqnr_db)} dB{clipped}"
            place = (max(layer.sqnr_db, 0.0), row)
            axes.annotate(text, place, (5, 0), textcoords="offset points", va="center")
        axes.set_title(
            f"{quality.workload}, {quality.scheme}: the {len(shown)} noisiest of "
            f"{len(quality.layers)} layers"
        )
        axes.set_yticks(range(len(shown)), labels=[layer.layer for layer in shown])
        axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
        largest = max((layer.sqnr_db for layer in shown), default=1.0)
        axes.set_xlim(min([0.0, *(layer.sqnr_db for layer in shown)]), 1.35 * max(largest, 1.0))
        axes.set_xlabel("signal-to-quantization-noise ratio of the output, against float32 [dB]")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        if shown:
            figure.legend(loc="outside lower center", ncols=len(_KINDS))
    return figure


def _kind(layer: LayerQuality) -> str:
    return next((name for name, _, kinds in _KINDS if layer.kind in kinds), _KINDS[-1][0])


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Check that :func:`write` may write to ``folder``, before the work is done.

    Raises
    ------
    OutputError
        If it holds anything but what an earlier :func:`write` put there.
    """
    check_output(folder, _holds_document)


def write(quality: QuantizationQuality, folder: str | os.PathLike[str]) -> Path:
    """Write the folder, as a whole or not at all, and return its absolute path.

    Raises
    ------
    OutputError
        If it holds anything but what an earlier call put there, or cannot be written.
    """

    def fill(place: Path) -> None:
        (place / DOCUMENT).write_text(to_json(quality), encoding="utf-8")
        layers(quality).to_csv(place / "layers.csv", index=False, lineterminator="\n")
        (place / "figures").mkdir()
        figure = draw(quality)
        (place / "figures" / "layers.svg").write_text(style.to_svg(figure), encoding="utf-8")
        style.save_png(figure, place / "figures" / "layers.png")

    return write_whole(folder, fill, _holds_document)


def _holds_document(folder: Path) -> bool:
    return (folder / DOCUMENT).is_file()
