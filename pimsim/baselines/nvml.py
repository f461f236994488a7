"""Power, energy and clocks of an NVIDIA board, as its driver tells them.

Which question this module answers: *what does NVML say of this GPU?*

Needs ``nvidia-ml-py``, which ``pip install 'pimsim[gpu]'`` brings; it is imported when a meter is
opened.
"""

from typing import Any, final

from pimsim.baselines.measurement import State
from pimsim.errors import InputError, MissingExtraError

_UJ_PER_MJ = 1e3
_GHZ_PER_MHZ = 1e-3


@final
class NvmlMeter:
    """Reads one board; a :class:`.measurement.Meter`.

    Parameters
    ----------
    identifier
        The board's UUID, ``"GPU-..."``, or its number as text.
    library
        The module ``pynvml``; imported when absent.

    Raises
    ------
    MissingExtraError
        If ``nvidia-ml-py`` is not installed.
    InputError
        If there is no driver, or no such board.
    """

    def __init__(self, identifier: str, library: Any = None) -> None:
        self._nvml = _library() if library is None else library
        try:
            self._nvml.nvmlInit()
            if identifier.isdigit():
                self._board = self._nvml.nvmlDeviceGetHandleByIndex(int(identifier))
            else:
                self._board = self._nvml.nvmlDeviceGetHandleByUUID(identifier)
        except self._nvml.NVMLError as error:
            raise InputError(f"the NVIDIA driver has no GPU {identifier!r} ({error})") from None

    @property
    def driver(self) -> str:
        """Version of the driver."""
        return _text(self._nvml.nvmlSystemGetDriverVersion())

    @property
    def power_limit_mw(self) -> float | None:
        """Enforced limit of the board's power."""
        value = self._told("nvmlDeviceGetEnforcedPowerLimit")
        return None if value is None else float(value)

    def energy_uj(self) -> float | None:
        """Energy since the driver was loaded; ``None`` on boards older than Volta."""
        value = self._told("nvmlDeviceGetTotalEnergyConsumption")
        return None if value is None else value * _UJ_PER_MJ

    def power_mw(self) -> float:
        """Power of the board, memory included."""
        try:
            return float(self._nvml.nvmlDeviceGetPowerUsage(self._board))
        except self._nvml.NVMLError as error:
            raise InputError(f"this GPU does not tell its power ({error})") from None

    def state(self) -> State:
        """Clocks and temperature."""
        nvml = self._nvml
        sm = self._told("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM)
        memory = self._told("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM)
        degc = self._told("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU)
        return State(
            sm_clock_ghz=None if sm is None else sm * _GHZ_PER_MHZ,
            memory_clock_ghz=None if memory is None else memory * _GHZ_PER_MHZ,
            temperature_degc=None if degc is None else float(degc),
        )

    def _told(self, question: str, *arguments: Any) -> Any:
        """What the board answers; ``None`` if it does not support the question."""
        try:
            return getattr(self._nvml, question)(self._board, *arguments)
        except self._nvml.NVMLError:
            return None


def _library() -> Any:
    try:
        import pynvml
    except ModuleNotFoundError as error:
        if error.name != "pynvml":
            raise
        raise MissingExtraError(
            "reading the power of a GPU needs nvidia-ml-py, which is not installed; install it "
            "with: pip install 'pimsim[gpu]'"
        ) from error
    return pynvml


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
