"""Methods that others are compared with, one file each: a class or two, most with ``make``, which puts one together."""
