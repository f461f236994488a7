"""Start batches on a device and time them there.

Which question this module answers: *how long did the device take for each batch?*
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import torch

from pimsim.errors import InputError

# torch's stubs leave these classes untyped
_event: Any = torch.cuda.Event
_stream: Any = torch.cuda.Stream

_GRAPH_WARM_UP_RUNS: Final = 3
"""What PyTorch asks for before a capture."""


@dataclass(frozen=True, slots=True)
class FoundGpu:
    """The device that would be measured."""

    name: str
    identifier: str
    """For NVML: its UUID, or its number."""
    torch: str
    cuda: str | None


def found_gpu() -> FoundGpu:
    """Return the current NVIDIA GPU.

    Raises
    ------
    InputError
        If PyTorch can use none.
    """
    if not torch.cuda.is_available():
        raise InputError(
            "no NVIDIA GPU that PyTorch can use was found; measuring needs one, with its driver "
            "and a CUDA build of PyTorch"
        )
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    uuid = getattr(properties, "uuid", None)
    return FoundGpu(
        name=properties.name,
        identifier=str(torch.cuda.current_device()) if uuid is None else f"GPU-{uuid}",
        torch=str(torch.__version__),
        cuda=torch.version.cuda,
    )


def compiled(call: Callable[[], Any]) -> Callable[[], Any]:
    """Return the call compiled by ``torch.compile``, with its CUDA graphs where it can."""
    made: Callable[[], Any] = torch.compile(call, mode="max-autotune")
    return made


@final
class CudaTimer:
    """Runs a call on the current GPU and times it by CUDA events; a :class:`.measurement.Timer`.

    Parameters
    ----------
    call
        Starts one batch.
    graph
        Whether to capture the batch in a CUDA graph once and replay it, so that the host launches
        one graph instead of every kernel.
    """

    def __init__(self, call: Callable[[], Any], *, graph: bool = False) -> None:
        self._call = _captured(call) if graph else call

    def run(self, count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                self._call()

    def times_us(self, count: int) -> Sequence[float]:
        events = [(_event(enable_timing=True), _event(enable_timing=True)) for _ in range(count)]
        with torch.inference_mode():
            for begin, end in events:
                begin.record()
                self._call()
                end.record()
        self.synchronize()
        return [1000.0 * begin.elapsed_time(end) for begin, end in events]

    def synchronize(self) -> None:
        torch.cuda.synchronize()


@final
class CpuTimer:
    """The same on the host, timed by its clock: for trying a model out where no GPU is."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call

    def run(self, count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                self._call()

    def times_us(self, count: int) -> Sequence[float]:
        times: list[float] = []
        for _ in range(count):
            begin = time.perf_counter()
            self.run(1)
            times.append(1e6 * (time.perf_counter() - begin))
        return times

    def synchronize(self) -> None:
        """The host is done when it returns."""


def _captured(call: Callable[[], Any]) -> Callable[[], Any]:
    side = _stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.inference_mode(), torch.cuda.stream(side):
        for _ in range(_GRAPH_WARM_UP_RUNS):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        call()
    replay: Callable[[], Any] = graph.replay
    return replay
