"""Timing: an event-driven replay of a mapped workload, in integer picoseconds, without values.

Which question this package answers: *how long does one inference take, and what makes it wait?*

:mod:`pimsim.timing.replay` imports SimPy; this package itself does not, so that architecture files
can name a network (:mod:`pimsim.timing.noc`) without it.
"""
