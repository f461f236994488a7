"""The command line: one module per verb; it parses, prints and exits, nothing else.

Which question this package answers: *what can be typed, and what comes back on the screen?*

Results go to stdout, progress and errors to stderr. Exit status: 0 done, 1 the user can mend it
(one ``error:`` message, no traceback), 2 wrong usage, 130 interrupted. Importing this package and
asking for help load neither NumPy nor pydantic; each verb imports what it needs when it runs.
"""
