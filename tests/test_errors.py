"""Messages for names that do not exist."""

from replaylib.errors import InputError, unknown


def test_the_nearest_names_come_first_and_a_hint_replaces_the_list():
    assert str(unknown("fruit", "appel", ["apple", "pear"])) == (
        "unknown fruit 'appel'. Did you mean apple? Known: apple, pear."
    )
    assert str(unknown("fruit", "zzz", ["apple"], hint="Eat bread.")) == "unknown fruit 'zzz'. Eat bread."
    assert isinstance(unknown("fruit", "x", []), InputError)
