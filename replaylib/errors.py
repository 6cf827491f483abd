"""One exception for everything a user can get wrong, and the message it carries."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used. Its message is one line: what was wrong, what was expected, what to do."""


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> InputError:
    """The error for a name that is in no table, with the names nearest to it.

    Parameters
    ----------
    kind : what the name should have named, e.g. ``"protocol"``.
    name : what was asked for.
    known : the names there are.
    hint : a last sentence that says what to do; by default all known names are listed.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    guess = f" Did you mean {' or '.join(near)}?" if near else ""
    return InputError(f"unknown {kind} {name!r}.{guess} {hint or 'Known: ' + ', '.join(known) + '.'}")
