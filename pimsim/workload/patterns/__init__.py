"""Rewrite a traced graph without changing what it computes.

Which question this package answers: *which simpler graph, in the field's own words, gives the same
outputs?*

:func:`simplified` computes what follows from weights and constants alone and drops reshapes that
cancel; :func:`recognized` gives patterns their standard kind: RMS norm, GELU, SiLU, rotary
embedding, attention scales and masks. Both are equal to the graph before to float32 rounding, and
nothing depends on either.
"""

from pimsim.workload.graph import Workload
from pimsim.workload.patterns.activations import recognize_activations
from pimsim.workload.patterns.cleanup import clean
from pimsim.workload.patterns.editor import Editor
from pimsim.workload.patterns.folding import fold
from pimsim.workload.patterns.masks import drop_idle_guards, recognize_masks
from pimsim.workload.patterns.names import with_output_names
from pimsim.workload.patterns.norms import recognize_norms
from pimsim.workload.patterns.rotary import recognize_rotary
from pimsim.workload.patterns.scales import recognize_scales

__all__ = ["recognized", "simplified", "with_output_names"]


def simplified(workload: Workload) -> Workload:
    """Fold constants and drop operations that do nothing."""
    editor = Editor(workload)
    fold(editor)
    clean(editor)
    return editor.finish()


def recognized(workload: Workload) -> Workload:
    """Give patterns their standard kind."""
    editor = Editor(workload)
    recognize_norms(editor)
    recognize_activations(editor)
    recognize_rotary(editor)
    recognize_masks(editor)
    recognize_scales(editor)
    return drop_idle_guards(editor.finish())
