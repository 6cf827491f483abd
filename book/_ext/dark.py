"""Figures that follow the page's theme: a style in the SVG itself, which a browser applies where the page is dark."""

import colorsys
import re

#: The theme's ground where it is dark, so that a figure has no frame, and the contrast that letters have on it.
GROUND = "#121212"
CONTRAST = 4.5


def channels(colour: str) -> tuple[float, float, float]:
    """#rrggbb as three numbers in [0, 1]."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of #rrggbb, from 0, black, to 1, white."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast ratio (WCAG 2.2) of two colours, from 1 to 21."""
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def is_grey(colour: str) -> bool:
    return max(channels(colour)) - min(channels(colour)) < 0.03


def turned(colour: str) -> str:
    """What a grey becomes on the dark ground: dark lines light, light areas dark."""
    value = round(255 - 0.86 * 255 * sum(channels(colour)) / 3)
    return f"#{value:02x}{value:02x}{value:02x}"


def legible(colour: str) -> str:
    """A colour, made lighter until letters in it can be read on the dark ground."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*channels(colour))
    while contrast(colour, GROUND) < CONTRAST and lightness < 1:
        lightness = min(1, lightness + 0.02)
        red, green, blue = (round(255 * value) for value in colorsys.hls_to_rgb(hue, lightness, saturation))
        colour = f"#{red:02x}{green:02x}{blue:02x}"
    return colour


def style(svg: str) -> str:
    """The rules for one of matplotlib's SVGs. Black and white are left alone: letters on the cells of a heat map."""
    here = ':not([id^="QuadMesh"] *)'
    rules = [f'[id^="patch"]>path[style*="fill: #ffffff"]{{fill:{GROUND}!important}}']
    for colour in sorted(set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg))):
        if colour in ("#000000", "#ffffff"):
            continue
        if is_grey(colour):
            rules += [
                f'[style*="{painted}: {colour}"]{here}{{{painted}:{turned(colour)}!important}}'
                for painted in ("fill", "stroke")
            ]
        elif contrast(colour, GROUND) < CONTRAST:
            rules.append(f'[id^="text"] [style*="fill: {colour}"]{{fill:{legible(colour)}!important}}')
    rules.append('[style*="stroke: #000000"]{stroke:#fff!important}')
    return f"<style>@media (prefers-color-scheme:dark){{{''.join(rules)}}}</style>"


def themed(svg: str) -> str:
    """One of matplotlib's SVGs that is dark on a page that is dark, without what a reader does not see."""
    begin = svg.index("<svg")
    opened = svg.index(">", begin) + 1
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", svg[opened:], count=1, flags=re.DOTALL)
    body = re.sub(r"\s*<!--.*?-->", "", body, flags=re.DOTALL)
    return svg[begin:opened] + style(svg) + body
