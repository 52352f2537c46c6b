"""An animated GIF of one object of every class, one frame per epoch."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.preview.examples import MIN_SIDE_PIX, chosen_examples
from simulator.preview.picture_file import check_writable, write_picture
from skyreel.report.theme import ALERT, FAINT, INK, MASK_COLOURS, band_styles, rgb_of

if TYPE_CHECKING:
    from PIL import Image

    from simulator.preview.examples import Example
    from simulator.sequences import Sequences

_FRAME_MS = 350


def animation(
    sequences: Sequences,
    classes: Sequence[str],
    bands: Sequence[str],
    path: str | Path,
    *,
    title: str = "",
) -> None:
    """Write an animated GIF of one object of every class, one frame per epoch.

    Parameters and errors are those of :func:`contact_sheet`. It is as long as the
    longest sequence; a shorter one stays at its last epoch, faded.
    """
    check_writable(path)
    drawn = Frames(chosen_examples(sequences, classes, bands, 1), bands, title)
    palette = drawn.palette()
    frames = [_indexed(drawn.frame(epoch), palette) for epoch in range(drawn.n_epochs)]
    image = BytesIO()
    duration_ms = [_FRAME_MS] * (drawn.n_epochs - 1) + [4 * _FRAME_MS]
    frames[0].save(
        image, format="GIF", save_all=True, append_images=frames[1:], loop=0, duration=duration_ms
    )
    write_picture(path, image)


def _indexed(frame, palette):
    """A frame in the nearest colours of a palette."""
    from PIL import Image

    packed = np.asarray(frame).astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    used, where = np.unique(packed, return_inverse=True)
    rgb = (used[:, None] >> np.array([16, 8, 0], dtype=np.uint32) & 255).astype(float)
    nearest = ((rgb[:, None] - palette) ** 2).sum(axis=-1).argmin(axis=1).astype(np.uint8)
    image = Image.fromarray(nearest[where].reshape(packed.shape))
    image.putpalette(palette.ravel().tolist())
    return image


class Frames:
    """Frames of an animation: panels side by side, each a stamp above its light curve."""

    EDGE, GAP, HEAD, NAME, BELOW, CURVE, ACROSS = 16, 14, 44, 24, 22, 56, 8

    def __init__(self, objects: list[Example], bands: Sequence[str], title: str) -> None:
        from matplotlib import get_data_path
        from PIL import ImageFont

        fonts = Path(get_data_path()) / "fonts" / "ttf"
        faces = {
            "bold": ("DejaVuSans-Bold.ttf", 14),
            "title": ("DejaVuSans-Bold.ttf", 15),
            "text": ("DejaVuSans.ttf", 12),
        }
        self.fonts = {k: ImageFont.truetype(str(fonts / f), size) for k, (f, size) in faces.items()}
        self.objects, self.styles, self.title = objects, band_styles(bands), title
        self.n_epochs = max(o.n_epochs for o in objects)
        self.white = [o.white_sigma(np.arange(o.n_epochs)) for o in objects]
        size = objects[0].mask.shape[-1]
        self.factor = -(-MIN_SIDE_PIX // size)
        self.side = size * self.factor
        self.pitch = self.NAME + self.side + self.BELOW + self.CURVE + self.GAP
        across = min(len(objects), self.ACROSS)
        width = 2 * self.EDGE + across * (self.side + self.GAP) - self.GAP
        self.width = max(width, int(self.fonts["title"].getlength(title)) + 120)
        self.height = self.HEAD + -(-len(objects) // across) * self.pitch + 4

    def palette(self) -> np.ndarray:
        """RGB colours of all frames (at most 256, 3): greys, tints, and inks down to white."""
        grey = np.linspace(0, 255, 64)[:, None] * np.ones(3)
        tints = [
            0.45 * grey[::3] + 0.55 * np.array(rgb_of(colour)) for colour in MASK_COLOURS.values()
        ]
        inks = dict.fromkeys((ALERT, *(colour for colour, _ in self.styles.values())))
        depth = np.array([1.0, 0.7, 0.4])[:, None]
        blends = [255 + depth * (np.array(rgb_of(colour)) - 255) for colour in inks]
        return np.concatenate([grey, *blends, *tints])[:256].round().astype(np.uint8)

    def frame(self, epoch: int) -> Image.Image:
        """One RGB frame."""
        from PIL import Image, ImageDraw

        image = Image.new("RGB", (self.width, self.height), "white")
        draw = ImageDraw.Draw(image)
        self._text(draw, self.EDGE, 28, self.title, "title")
        step = f"{epoch + 1} / {self.n_epochs}"
        self._text(draw, self.width - self.EDGE, 28, step, anchor="rs", fill=FAINT)
        for k, obj in enumerate(self.objects):
            x = self.EDGE + k % self.ACROSS * (self.side + self.GAP)
            y = self.HEAD + k // self.ACROSS * self.pitch
            self._panel(image, draw, x, y, obj, self.white[k], epoch)
        return image

    def _text(self, draw, x, y, text, font="text", *, anchor="ls", fill=INK):
        draw.text((x, y), text, font=self.fonts[font], anchor=anchor, fill=fill)

    def _panel(self, image, draw, x, y, obj, white, epoch):
        from PIL import Image

        over, now = epoch >= obj.n_epochs, min(epoch, obj.n_epochs - 1)
        self._text(draw, x, y + 16, obj.name, "bold")
        if obj.alert >= 0 and epoch >= obj.alert:
            self._text(draw, x + self.side, y + 16, "alert", anchor="rs", fill=ALERT)
        top, right, bottom = y + self.NAME, x + self.side, y + self.NAME + self.side
        stamp = Image.fromarray(obj.picture(now, white, self.factor))
        image.paste(Image.blend(stamp, Image.new("RGB", stamp.size, "white"), 0.5 * over), (x, top))
        if now == obj.alert and not over:
            draw.rectangle((x - 3, top - 3, right + 2, bottom + 2), outline=ALERT, width=3)
        band, day = obj.label(now)
        self._text(draw, x, bottom + 17, band, "bold", fill=self.styles[band][0])
        self._text(
            draw,
            right,
            bottom + 17,
            "end" if over else day,
            anchor="rs",
            fill=FAINT if over else INK,
        )
        self._curve(draw, x, bottom + self.BELOW, obj, now)

    def _curve(self, draw, x, y, obj, now):
        """The light curve up to this epoch, later epochs in light grey, a line at this epoch."""
        faint, bright = obj.magnitude_range()
        across = x + 4 + (self.side - 8) * obj.day / max(obj.day[-1], 0.1)
        magnitude = obj.epochs["magnitude"]
        down = y + self.CURVE * (np.nan_to_num(magnitude, posinf=99.0) - bright) / (faint - bright)
        draw.rectangle((x, y, x + self.side - 1, y + self.CURVE - 1), outline="#DDDDDD")
        if not np.isfinite(magnitude).any():
            self._text(draw, x + 6, y + 16, "no source", fill=FAINT)
        draw.line((across[now], y + 1, across[now], y + self.CURVE - 2), fill=FAINT)
        inside = np.flatnonzero((down > y) & (down < y + self.CURVE - 2))
        for epoch in sorted(inside, key=lambda k: (k == now, -k)):
            colour = self.styles[obj.label(epoch)[0]][0] if epoch <= now else "#D0D0D0"
            radius = 4 if epoch == now else 2
            place = (across[epoch] - radius, down[epoch] - radius)
            draw.ellipse((*place, place[0] + 2 * radius, place[1] + 2 * radius), fill=colour)
