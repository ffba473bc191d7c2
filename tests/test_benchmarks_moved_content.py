"""The template tracker that scores what a video does with the objects of its first frame."""

import numpy as np
import pytest
from moved_content import sheet, track

from smcd_core.data import Clip
from smcd_core.data.world import WorldClips
from smcd_core.evaluation.scores import score_row


@pytest.fixture(scope="module")
def clips():
    return list(WorldClips(3, split="test"))


def ao(videos, clips):
    return score_row(videos, clips, found=[track(video, clip) for video, clip in zip(videos, clips, strict=True)])


def test_the_tracker_finds_objects_where_they_went_and_not_where_they_were(clips):
    moved, still = (ao(videos, clips).scores["ao"] for videos in (
        [clip.frames for clip in clips], [np.repeat(clip.frames[:1], 8, 0) for clip in clips],
    ))  # fmt: skip
    assert moved > 0.75  # it turns and is shaded anew on its way, which the template is not
    assert still < moved - 0.2


def test_an_object_is_sought_where_it_has_a_box_only(clips):
    clip = clips[0]
    mask = clip.mask.copy()
    mask[3, 0] = False
    found = track(clip.frames, Clip(clip.frames, clip.boxes_xyxy, mask, clip.phrases, clip.caption))
    assert not found[3, 0].any() and found[2, 0].any()
    mask[0, 0] = False  # nothing to look for
    assert not track(clip.frames, Clip(clip.frames, clip.boxes_xyxy, mask, clip.phrases, clip.caption))[:, 0].any()


def test_a_sheet_has_a_line_for_each_video(clips):
    image = sheet([clips[0].frames, clips[0].frames[::-1]], clips[0])
    assert image.size == (8 * 128, 2 * 128)
