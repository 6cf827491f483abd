"""What all tests share."""

import os

# Networks as small as these gain nothing from more threads, which on a busy machine wait for one another. Set before
# PyTorch is imported, and for the processes that tests start as well.
os.environ.setdefault("OMP_NUM_THREADS", "1")
