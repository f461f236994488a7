"""Designs chosen from results: NSGA-II, generation by generation.

Which question this module answers: *which designs should be tried next?*

Each generation is asked for as a whole and told in the order of its designs, so that a search does
not depend on which of them ends first. The search itself is Optuna's [1]_; a design that failed
counts as failed, one outside the constraints as worse than any inside.

References
----------
.. [1] K. Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE Trans.
   Evolutionary Computation 6(2), 182-197, 2002; T. Akiba et al., Optuna, KDD 2019.
"""

from collections.abc import Mapping, Sequence
from typing import Any, final

from pimsim.dse.axes import Axis, Setting, number_setting
from pimsim.dse.points import Design
from pimsim.dse.sweep_file import Sweep
from pimsim.errors import MissingExtraError


@final
class Search:
    """An evolutionary search over the axes of a sweep.

    Raises
    ------
    MissingExtraError
        If Optuna is not installed.
    """

    def __init__(self, sweep: Sweep) -> None:
        try:
            import optuna
        except ImportError:
            raise MissingExtraError(
                "sampler 'nsga2' needs Optuna: pip install 'pimsim[optuna]'"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._failed = optuna.trial.TrialState.FAIL
        self._sweep, sampler = sweep, sweep.file.sampler
        self._asked: list[Any] = []
        self._first = 0
        self._study = optuna.create_study(
            directions=list(sweep.file.objectives.values()),
            sampler=optuna.samplers.NSGAIISampler(
                population_size=sampler.population or 2,
                seed=sampler.seed,
            ),
        )

    def ask(self) -> tuple[Design, ...]:
        """The designs of the next generation."""
        self._asked = [self._study.ask() for _ in range(self._sweep.file.sampler.population or 2)]
        chosen = []
        for number, trial in enumerate(self._asked, start=self._first):
            settings = tuple(_suggested(trial, axis) for axis in self._sweep.axes)
            chosen.append(Design(number, settings))
        self._first += len(chosen)
        return tuple(chosen)

    def tell(self, found: Sequence[Mapping[str, float] | None]) -> None:
        """Metrics of each design of the generation, in order; ``None``: it failed."""
        for trial, metrics in zip(self._asked, found, strict=True):
            if metrics is None:
                self._study.tell(trial, state=self._failed)
                continue
            for name, bounds in self._sweep.file.constraints.items():
                if bounds.min is not None:
                    trial.set_constraint(f"{name} min", bounds.min - metrics[name])
                if bounds.max is not None:
                    trial.set_constraint(f"{name} max", metrics[name] - bounds.max)
            self._study.tell(trial, [metrics[name] for name in self._sweep.file.objectives])


def _suggested(trial: Any, axis: Axis) -> Setting:
    if axis.span is None:
        place: int = trial.suggest_int(axis.name, 0, len(axis.settings) - 1)
        return axis.settings[place]
    low, high = axis.span
    if axis.whole:
        return number_setting(axis, trial.suggest_int(axis.name, int(low), int(high), log=axis.log))
    return number_setting(axis, trial.suggest_float(axis.name, low, high, log=axis.log))
