"""Design-space exploration: sweep files, the results store, search, Pareto fronts.

Which question this package answers: *which chip should I build?*

A sweep file (:mod:`~pimsim.dse.sweep_file`) spans designs (:mod:`~pimsim.dse.points`), a run
(:mod:`~pimsim.dse.running`) computes them in this process, several or on a cluster
(:mod:`~pimsim.dse.executors`) and keeps each outcome as it ends (:mod:`~pimsim.dse.store`).
:mod:`~pimsim.dse.record` reads a finished folder back, :mod:`~pimsim.dse.judging` says which of its
designs nothing beats. :func:`pimsim.sweep` is the way in.
"""
