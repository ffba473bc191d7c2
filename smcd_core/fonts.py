"""A font that has the letters of a text: Pillow's own, else one of the system's."""

from __future__ import annotations

import logging
from functools import lru_cache

from PIL import ImageFont

# Fonts of many letters that Linux, Windows and macOS bring, by the names that Pillow looks for in their folders.
CANDIDATES = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "arial.ttf", "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc",
    "DroidSansFallback.ttf", "msyh.ttc", "YuGothM.ttc", "msgothic.ttc", "malgun.ttf", "PingFang.ttc",
    "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "NotoSansArabic-Regular.ttf", "NotoSansDevanagari-Regular.ttf",
    "Nirmala.ttf", "NotoEmoji-Regular.ttf", "Symbola.ttf", "seguiemj.ttf", "seguisym.ttf",
)  # fmt: skip
_ABSENT = "\U0010ffff"  # a character of no font: it looks as all missing ones do


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of `size` pixels. Where none has all letters, the log says so, and the others appear as squares."""
    plain = ImageFont.load_default(size)
    letters = "".join(sorted({letter for letter in text if letter.isprintable() and not letter.isspace()}))
    if letters.isascii() or _has(plain, letters):
        return plain
    name = _system_font(letters)
    return ImageFont.truetype(name, size) if name else plain


@lru_cache(maxsize=256)
def _system_font(letters: str) -> str | None:
    for name in CANDIDATES:
        try:
            if _has(ImageFont.truetype(name, 20), letters):
                return name
        except OSError:
            continue  # not on this machine
    logging.getLogger("smcd").warning("no font here has all letters of %r: labels show squares for some", letters)
    return None


def _has(font: ImageFont.FreeTypeFont, letters: str) -> bool:
    absent = bytes(font.getmask(_ABSENT))
    return all(bytes(font.getmask(letter)) != absent for letter in letters)
