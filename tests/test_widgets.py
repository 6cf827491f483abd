"""What a reader can move: every state is drawn, once, with its words, and the picture follows without a kernel."""

import re
from base64 import b64decode

import ipywidgets
import pytest

from replaylib.course import figures, widgets
from replaylib.errors import InputError


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr(widgets, "display", lambda *args, **kwargs: calls.append((args, kwargs)))
    monkeypatch.setattr(figures, "display", lambda *_, **__: pytest.fail("a state was displayed by itself"))
    return calls


def line(value):
    with figures.figure(height=1, alt=f'a line to {value}, not "{value + 1}"') as ax:
        ax.plot([0, value])


def parts(call):
    """The control, the widget that shows the picture, and the link between them, of what was displayed."""
    ((bundle,), options) = call
    assert options["raw"] is True
    instances = ipywidgets.widgets.widget._instances if hasattr(ipywidgets, "Stack") else ipywidgets.Widget.widgets
    control, picture = instances[bundle[widgets.VIEW]["model_id"]].children
    links = [
        w for w in instances.values() if isinstance(w, ipywidgets.widgets.widget_link.Link) and w.source[0] is control
    ]
    return control, picture, links, bundle, options["metadata"][widgets.VIEW]["still"]


@pytest.mark.parametrize(
    ("show", "kind"), [(widgets.slider, ipywidgets.SelectionSlider), (widgets.choice, ipywidgets.RadioButtons)]
)
def test_states_are_drawn_once_and_linked_in_the_browser(shown, show, kind):
    drawn = []
    show("how far (cm)", [1, 2, 4], lambda value: (drawn.append(value), line(value)))
    assert drawn == [1, 2, 4]
    control, picture, links, bundle, still = parts(shown[0])
    assert isinstance(control, kind)
    assert control.description == "how far (cm)"
    assert control.options == ("1", "2", "4")
    assert picture.selected_index == control.index == 0
    assert [link.target for link in links] == [(picture, "selected_index")]
    assert links[0].source == (control, "index")
    assert "how far (cm): 1, 2, 4" in bundle["text/plain"]
    assert still == {"label": "how far (cm)", "state": "1", "picture": picture.children[0].value}


def test_every_state_is_its_figure_with_its_alternative_text(shown):
    widgets.slider("how far", {"near": 1, "far": 9}, line)
    _, picture, _, _, _ = parts(shown[0])
    near, far = (child.value for child in picture.children)
    assert 'alt="a line to 9, not &quot;10&quot;"' in far
    assert near != far
    svg = b64decode(re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', far)[1]).decode()
    assert svg.startswith("<?xml")
    assert "</svg>" in svg


def test_without_a_stack_the_kernel_moves_the_picture(shown, monkeypatch):
    monkeypatch.delattr(ipywidgets, "Stack")
    control = ipywidgets.SelectionSlider(options=("1", "2"), index=0)
    picture = widgets._linked(control, ["<b>one</b>", "<b>two</b>"])
    assert picture.value == "<b>one</b>"
    control.index = 1
    assert picture.value == "<b>two</b>"


@pytest.mark.parametrize(
    ("label", "values", "draw", "message"),
    [
        (" ", [1, 2], line, "no label"),
        ("x", [1], line, "1 states"),
        ("x", range(99), line, "99 states"),
        ("x", [1, 1.0, "1"], line, "same text"),
        ("x", [1, 2], lambda value: None, "drew 0 figures for 1"),
        ("x", [1, 2], lambda value: (line(value), line(value)), "drew 2 figures"),
    ],
)
def test_bad_input_is_refused_in_one_line(shown, label, values, draw, message):
    with pytest.raises(InputError, match=message) as error:
        widgets.slider(label, values, draw)
    assert "\n" not in str(error.value)
    assert not shown


def test_heavy_pictures_are_refused(shown, monkeypatch):
    monkeypatch.setattr(widgets, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="rasterized=True"):
        widgets.slider("x", [1, 2], line)


def test_a_state_that_fails_leaves_later_figures_shown(monkeypatch):
    calls = []
    monkeypatch.setattr(figures, "display", lambda *args, **_: calls.append(args))
    with pytest.raises(ZeroDivisionError):
        widgets.slider("x", [1, 2], lambda value: 1 / 0)
    line(3)
    assert len(calls) == 1
