"""Other answers to the questions of the assignments: right ones, which must pass, and wrong ones with their hint.

A module for each assignment. ``RIGHT`` has, for each question, two solutions that differ from the master's; ``WRONG``
has for each question what a misconception leads to, under a part of the hint that names it.
"""
