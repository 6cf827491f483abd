"""A progress bar that Ctrl-C may stop at any moment."""

from tqdm import tqdm


class Bar(tqdm):
    """`tqdm.tqdm`, which before 4.69 prints a traceback at the end if it was stopped while it was made.

    It then looks for what it had not been given yet.
    """

    def __del__(self) -> None:
        if "start_t" in vars(self):  # the last that it is given
            super().__del__()
