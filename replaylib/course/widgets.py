"""What a reader can move: every state is drawn beforehand, so that a page of the book answers without a kernel."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets
from IPython.display import display

from replaylib.course import figures
from replaylib.errors import InputError

#: A page carries every state, whether or not it is looked at.
MOST_STATES = 24
MOST_BYTES = 2_000_000
VIEW = "application/vnd.jupyter.widget-view+json"


def slider(label: str, values: Sequence | Mapping[str, object], draw: Callable[[Any], object]) -> None:
    """Show a figure with a slider above it, for values that have an order.

    ::

        def accuracy(budget):
            with figures.figure(alt=f"With {budget} samples a class ...") as ax:
                ...

        widgets.slider("stored samples a class", [1, 3, 10, 30], accuracy)

    Parameters
    ----------
    label : what the slider changes, in a few words, with the unit if there is one.
    values : from left to right; each is shown as ``str(value)``, or under its key if this is a mapping.
    draw : is called once for each value, and draws exactly one ``figures.figure`` with its alternative text.

    Raises
    ------
    InputError : fewer than two values, more than `MOST_STATES`, two that look the same, no label, not exactly one
        figure for a value, or figures of more than `MOST_BYTES` together.
    """
    _show(ipywidgets.SelectionSlider, label, values, draw)


def choice(label: str, options: Sequence | Mapping[str, object], draw: Callable[[Any], object]) -> None:
    """Show a figure with a choice above it, for a handful of options without an order; otherwise like `slider`."""
    _show(ipywidgets.RadioButtons, label, options, draw)


def _show(control: type, label: str, values: Sequence | Mapping[str, object], draw: Callable[[Any], object]) -> None:
    named = dict(values) if isinstance(values, Mapping) else {str(value): value for value in values}
    if not label.strip():
        raise InputError("this widget has no label: say in a few words what it changes")
    if len(named) != len(values):
        raise InputError(f"{label!r} shows two values as the same text: pass a dict of different texts to values")
    if not 2 <= len(named) <= MOST_STATES:
        raise InputError(f"{label!r} has {len(named)} states: choose 2 to {MOST_STATES}, better 5 to 12")
    drawn = {name: _drawn(label, name, draw, value) for name, value in named.items()}
    pictures = {name: _picture(bundle) for name, bundle in drawn.items()}
    weight = sum(len(picture) for picture in pictures.values())
    if weight > MOST_BYTES:
        raise InputError(
            f"the {len(pictures)} pictures of {label!r} take {weight / 1e6:.1f} MB: stay below "
            f"{MOST_BYTES / 1e6:.0f} MB with fewer states, fewer paths, or rasterized=True for what has many points"
        )
    moved = control(
        options=tuple(pictures),
        index=0,
        description=label,
        layout=ipywidgets.Layout(width="auto", max_width="100%"),
        style={"description_width": "initial"},
    )
    if hasattr(moved, "tooltip"):  # ipywidgets 8, which would otherwise show "null" there
        moved.tooltip = label
    box = ipywidgets.VBox([moved, _linked(moved, list(pictures.values()))])
    words = f"{label}: {', '.join(pictures)}. A figure for each; it can be moved where the notebook runs."
    still: dict[str, object] = {
        "label": label,
        "state": next(iter(pictures)),
        "picture": next(iter(pictures.values())),
    }
    if all("narrow" in bundle for bundle in drawn.values()):
        still["narrow"] = [bundle["narrow"] for bundle in drawn.values()]
    display({VIEW: _view(box), "text/plain": words}, raw=True, metadata={VIEW: {"still": still}})


def _drawn(label: str, name: str, draw: Callable[[Any], object], value: object) -> dict[str, str]:
    """The one figure of a state."""
    with figures.caught() as drawn:
        draw(value)
    if len(drawn) != 1:
        raise InputError(f"{label!r} drew {len(drawn)} figures for {name}: draw exactly one, with figures.figure")
    return drawn[0]


def _picture(bundle: dict[str, str]) -> str:
    """A figure as an HTML image, with its own alternative text."""
    image = b64encode(bundle[figures.SVG].encode()).decode()
    return f'<img alt="{escape(bundle["text/plain"])}" src="data:image/svg+xml;base64,{image}">'


def _linked(moved: Any, pictures: list[str]) -> Any:
    """The widget that shows the picture of the moved control's state."""
    if hasattr(ipywidgets, "Stack"):
        shown = ipywidgets.Stack([ipywidgets.HTML(picture) for picture in pictures], selected_index=0)
        ipywidgets.jslink((moved, "index"), (shown, "selected_index"))
        return shown
    # ipywidgets 7, which Colab has, knows no Stack. Its notebooks always have a kernel that can do this.
    shown = ipywidgets.HTML(pictures[0])
    moved.observe(lambda change: setattr(shown, "value", pictures[change["new"]]), names="index")
    return shown


def _view(box: Any) -> dict[str, object]:
    return {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
