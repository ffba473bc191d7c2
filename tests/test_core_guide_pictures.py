"""The pictures of docs/guides.md: one for each kind of guide, as the code draws it today."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DOCS = Path(__file__).parent.parent / "docs"
SLOW = {"SMCD_GuideVideo", "SMCD_CutAndDrag"}
spec = importlib.util.spec_from_file_location("guide_pictures", DOCS / "guide_pictures.py")
guide_pictures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guide_pictures)


def test_the_page_shows_one_picture_for_each_kind_of_guide():
    shown = re.findall(r"!\[[^\]]+\]\((.+?)\)", (DOCS / "guides.md").read_text(encoding="utf-8"))
    assert [Path(path).stem for path in shown] == list(guide_pictures.PICTURES)
    assert all((DOCS / path).is_file() for path in shown)


@pytest.mark.parametrize(
    "node",
    [pytest.param(node, marks=[pytest.mark.slow] * (node in SLOW)) for node in guide_pictures.PICTURES],
)
def test_a_picture_is_what_the_code_makes_today(node):
    made = np.asarray(guide_pictures.PICTURES[node](), np.int64)
    with Image.open(guide_pictures.FOLDER / f"{node}.png") as file:
        stored = np.asarray(file.convert("RGB"), np.int64)
    assert made.shape == stored.shape
    # The stored picture has 256 colours: all but .13 % of the values are within 32 levels of 255. A picture that is
    # drawn a pixel beside its place differs in 3 to 8 %.
    assert (np.abs(made - stored) > 32).mean() < 2e-3
