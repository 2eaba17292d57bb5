"""The one exception that the package raises for bad input."""


class CurrlabError(ValueError):
    """Bad input, told in one sentence: what is wrong and what is allowed.

    The command line prints the sentence and exits with status 2; a traceback only with ``--debug``.
    """
