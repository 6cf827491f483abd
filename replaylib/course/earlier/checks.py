"""The earlier name of `replaylib.course.assignments`, for notebooks that students copied while it was so called."""

from replaylib.course.assignments import *  # noqa: F403
from replaylib.course.assignments import Assignment as Assignment
