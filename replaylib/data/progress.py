"""A progress bar that Ctrl-C may stop at any moment."""

from tqdm import tqdm


class Bar(tqdm):
    """`tqdm.tqdm`, which before 4.69 prints a traceback at the end if it was stopped while it was made.

    It then looks for what it had not been given yet; here it finds that it never showed anything.
    """

    disable = True
    start_t = 0.0
    last_print_t = -1.0
