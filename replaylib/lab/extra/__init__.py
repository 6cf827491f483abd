"""Methods of the years after 2020, one file each: a class or two, and ``make``, which puts a method together."""
