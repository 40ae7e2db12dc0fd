"""How much colours stand out from each other, by WCAG 2.1."""

import numpy as np
from matplotlib.colors import to_rgb


def luminance(colour) -> float:
    """Return the relative luminance, 0 (black) to 1 (white), of a Matplotlib colour."""
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(colour, background="white") -> float:
    """Return the contrast, 1 (the same) to 21 (black on white)."""
    lighter, darker = sorted([luminance(colour), luminance(background)], reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
