"""Design-space exploration: sweep files, the results store, search, Pareto fronts.

Which question this package answers: *which chip should I build?* Nothing lives here yet; a sweep is
a loop over :func:`pimsim.simulate` with ``overrides`` until it does.
"""
