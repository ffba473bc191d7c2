"""Synthetic clips: exact boxes, the same on every run; and their encoded form on disk."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from smcd_core.data import SPLITS, SyntheticClips, render_clip
from smcd_core.data.encoded import SHARD, EncodedClips, encode_clips
from smcd_core.data.synthetic import COLORS, MOTIONS, vocabulary
from smcd_core.metrics import find_colors, iou
from smcd_core.pretrain import small_text_encoder


@pytest.fixture(scope="module")
def autoencoder() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1, latent_channels=4,
    ).eval()  # fmt: skip


def test_a_clip_is_a_function_of_its_number():
    one, again, other = render_clip(5), render_clip(5), render_clip(6)
    assert np.array_equal(one.frames, again.frames) and one.caption == again.caption
    assert not np.array_equal(one.frames, other.frames)


def test_splits_share_no_clip():
    first = {
        split: [render_clip(n, split=split, size=32, num_frames=1).frames.tobytes() for n in range(50)]
        for split in SPLITS
    }
    assert len({picture for pictures in first.values() for picture in pictures}) == 150
    with pytest.raises(ValueError, match="split is 'holdout', expected one of train, validation, test"):
        render_clip(0, split="holdout")


@pytest.mark.parametrize("size, frames", [(64, 1), (128, 8), (96, 16)])
def test_a_clip_has_the_size_and_length_asked_for(size, frames):
    clip = render_clip(3, size=size, num_frames=frames)
    objects = len(clip.phrases)
    assert clip.frames.shape == (frames, size, size, 3) and clip.frames.dtype == np.uint8
    assert clip.boxes_xyxy.shape == (frames, objects, 4) and clip.mask.shape == (frames, objects)
    assert 1 <= objects <= 3 and len(set(clip.phrases)) == objects


def test_boxes_fit_what_is_drawn():
    """The colour detector, which knows nothing of the boxes, finds them again. Sprites that cover each other a little
    and the half pixel of a soft edge keep it below 1."""
    overlaps = []
    for number in range(20):
        clip = render_clip(number, split="validation")
        overlaps += iou(find_colors(clip.frames, clip.colors), clip.boxes_xyxy)[clip.mask].tolist()
    assert np.mean(overlaps) > 0.93  # measured: 0.96


def test_objects_that_left_the_picture_are_marked():
    clips = [render_clip(number, size=16) for number in range(300)]
    gone = [clip for clip in clips if not clip.mask.all()]
    assert 5 <= len(gone) <= 100  # one sprite in ten runs out of the picture
    for clip in gone:
        assert not clip.boxes_xyxy[~clip.mask].any()
    for clip in clips:
        seen = clip.boxes_xyxy[clip.mask]
        assert (seen >= 0).all() and (seen <= 1).all() and (seen[:, 2:] > seen[:, :2]).all()


def test_the_caption_says_who_moves_where():
    clip = next(c for c in (render_clip(n, size=16) for n in range(99)) if len(c.phrases) == 1 and "right" in c.caption)
    center = clip.boxes_xyxy[:, 0, ::2].mean(1)
    assert clip.caption.startswith(f"a {clip.phrases[0]} moving right, ")
    assert center[-1] > center[0]


def test_every_word_of_a_caption_is_in_the_vocabulary():
    words = set(" ".join(vocabulary()).split())
    for number in range(100):
        clip = render_clip(number, size=8, num_frames=2)
        assert set(clip.caption.replace(",", " ,").split()) <= words
    assert {motion for motion in MOTIONS} and len(COLORS) == 7


def test_a_loop_over_clips_ends():
    assert len(list(SyntheticClips(3, size=8, num_frames=1))) == 3


def test_encoded_clips_give_back_what_was_encoded(autoencoder, tmp_path):
    text = small_text_encoder().eval()
    clips = SyntheticClips(3, size=16, num_frames=2)
    encode_clips(clips, autoencoder, text, tmp_path, slots=4)
    encoded = EncodedClips(tmp_path)
    assert len(encoded) == 3
    clip, item = clips[2], encoded[2]
    count = len(clip.phrases)
    with torch.no_grad():
        pixels = torch.from_numpy(clip.frames).permute(0, 3, 1, 2) / 127.5 - 1
        latents = autoencoder.encode(pixels).latent_dist.mean * autoencoder.config.scaling_factor
        phrases, caption = text.phrases(clip.phrases), text([clip.caption])[0]
    half = dict(atol=2e-3, rtol=1e-3)  # stored as float16
    assert torch.allclose(item["latents"], latents, **half)
    assert torch.allclose(item["text"], caption, **half) and torch.allclose(item["phrases"][:count], phrases, **half)
    assert torch.equal(item["boxes_xyxy"][:, :count], torch.from_numpy(clip.boxes_xyxy))
    assert not item["mask"][:, count:].any() and item["mask"].shape == (2, 4)


def test_several_processes_share_the_encoding_and_a_stopped_one_goes_on(autoencoder, tmp_path):
    text = small_text_encoder().eval()
    clips = SyntheticClips(SHARD + 2, size=8, num_frames=1)
    encode_clips(clips, autoencoder, text, tmp_path, slots=4, part=1, parts=2)
    assert len(EncodedClips(tmp_path)) == 2
    written = next(tmp_path.glob("clips-*.safetensors"))
    before = written.stat().st_mtime_ns
    encode_clips(clips, autoencoder, text, tmp_path, slots=4)
    assert len(EncodedClips(tmp_path)) == SHARD + 2
    assert written.stat().st_mtime_ns == before


def test_a_clip_with_more_objects_than_slots_loses_the_last_ones(autoencoder, tmp_path):
    crowded = next(n for n in range(99) if len(render_clip(n, size=8).phrases) == 3)
    clips = SyntheticClips(1, size=16, num_frames=1, start=crowded)
    encode_clips(clips, autoencoder, small_text_encoder().eval(), tmp_path, slots=2)
    item = EncodedClips(tmp_path)[0]
    assert torch.equal(item["boxes_xyxy"], torch.from_numpy(clips[0].boxes_xyxy[:, :2]))


def test_a_damaged_file_is_named(autoencoder, tmp_path):
    (tmp_path / "clips-00000.safetensors").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="clips-00000.safetensors: cannot be read .* encode again"):
        EncodedClips(tmp_path)
