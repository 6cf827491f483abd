"""Which symbols there are to draw, what they are called, and their shapes, from the font that Matplotlib ships."""

import re
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

FONT = "DejaVuSans.ttf"

# In the order in which classes are handed out. The first hundred are chosen so that no two look alike, turned or
# sheared as they may be; further down some resemble one another (club and spade, gamma and Y).
SYMBOLS = (
    "A★Ω5♥Ж→&☂∞♞R♫☺∑✈⚓@λ⚙"
    "?∫☽Ψ✂$⚡ЭT∴∇2✉ש≠☠K€∂⟲"
    "#◐ξX♖⊗M❄Ю☎♭π4☃♉⇄Y§♣♒"
    "B↩♀Γ☞%7ლ♎☢⚗±G♙♏⌘φ↑Ц▶"
    "H■√¶ფ⚖N♋♛Ξ⊥◢D☁✎g⋈Ы♨£"
    "♠♦☯✿♆ΔΘΛ6ЯCSZ38PQFLV"
    "ЧДБИЩαγδεζημσaω≡≈≤∮≅"
    "Π∀∃∈⊆∬⊞⊢÷≫↕↓↺⇅⇔↱J◎□●"
    "♌♍♓♑♐♃♄♅♂♇☀✱☮☸‽☣♻⚠⚛⚔"
    "⚒⚜⚑⌥♚☥♝☤♪©♮∝⚀⚄✆✇✌✒✔¿"
    "✠✤✦℃✷₪❋₩❖❞❣❦⌂⌨⏏⏎⌫†‡¥"
    "אבהטלמפצקתაბგდვკრტქღ"
    "ԱԲԳԵԸԺԽՁՇՋ№ℑℒℙℚℝℤℳ℘℞"
)

# A symbol is kept as its field of signed distances to its outline, so that it can be drawn at any size and weight.
FIELD = 64  # rows and columns of a field
FIELD_EXTENT = 2.0  # side of the square a field covers, in units of the symbol's larger side
OVERSAMPLING = 4


def symbol_name(symbol: str) -> str:
    """A short name after the Unicode standard's: ``"A"``, ``"alpha"``, ``"cyrillic zhe"``, ``"rightwards arrow"``."""
    name = unicodedata.name(symbol).lower().replace("lamda", "lambda")  # the standard's spelling is its own
    if symbol.isascii() and symbol.isalnum():
        return symbol
    name = re.sub(r"\bletter |^black (?!square)|^white (?=chess)|^n-ary |^greek (small )?", "", name)
    name = re.sub(r" (sign|symbol|suit)$", "", name)
    return re.sub(r"^(small |(cyrillic |armenian )capital )", r"\2", name)


@cache
def distance_field(symbol: str) -> tuple[Tensor, float, float]:
    """A symbol as its signed distances to its own outline, and half its width and height.

    Distances, positive inside, are in units of the symbol's larger side, and so are the other two numbers. The field
    is (1, 1, FIELD, FIELD) float32, with the symbol in the middle of a square of `FIELD_EXTENT`.
    """
    import matplotlib
    from scipy.ndimage import distance_transform_edt

    font_file = str(Path(matplotlib.get_data_path(), "fonts", "ttf", FONT))
    cells = FIELD * OVERSAMPLING
    side = cells / FIELD_EXTENT

    def bounds(size: float) -> tuple[ImageFont.FreeTypeFont, tuple[float, float, float, float]]:
        # The basic layout engine is in every build of Pillow; another could place the symbols differently.
        font = ImageFont.truetype(font_file, size, layout_engine=ImageFont.Layout.BASIC)
        return font, font.getbbox(symbol)

    _, (left, top, right, bottom) = bounds(side)
    font, (left, top, right, bottom) = bounds(side * side / max(right - left, bottom - top))
    canvas = Image.new("L", (cells, cells))
    origin = (cells - left - right) / 2, (cells - top - bottom) / 2
    ImageDraw.Draw(canvas).text(origin, symbol, fill=255, font=font)
    inside = np.asarray(canvas) >= 128
    distance = (distance_transform_edt(inside) - distance_transform_edt(~inside)) / side
    field = functional.avg_pool2d(torch.from_numpy(distance.astype(np.float32))[None, None], OVERSAMPLING)
    return field, (right - left) / side / 2, (bottom - top) / side / 2
