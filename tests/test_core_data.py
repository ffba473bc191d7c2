"""Clips of sprites: exact boxes, the same on every run; and their encoded form on disk."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from smcd_core.data import SPLITS, SampleError, SyntheticClips, WithFlips, render_clip
from smcd_core.data.flips import mirrored
from smcd_core.data.synthetic import COLORS, MOTIONS, vocabulary
from smcd_core.evaluation.metrics import find_colors, iou
from smcd_core.training.encoded import SHARD, EncodedClips, encode_clips
from smcd_core.training.phrase_cache import PhraseCache
from smcd_core.training.pretrain import small_text_encoder


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


def test_clips_stay_the_ones_that_the_scores_of_the_model_card_are_about():
    clip = render_clip(5, split="test")
    assert clip.caption == "a cyan square standing still and a purple square moving right, dusk"
    assert abs(int(clip.frames.sum()) - 68_111_616) < 100  # a few pixels may round otherwise on another processor
    expected = [[0.146094, 0.146478, 0.561186, 0.472851], [0.630257, 0.326929, 0.956224, 0.656095]]
    assert np.allclose(clip.boxes_xyxy[-1], expected, atol=1e-6)


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
    and the half pixel of a soft edge keep it below 1.
    """
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


def test_a_shard_is_the_same_however_many_processes_share_the_work(autoencoder, tmp_path, monkeypatch):
    monkeypatch.setattr("smcd_core.training.encoded.SHARD", 3)
    text, clips = small_text_encoder().eval(), SyntheticClips(7, size=16, num_frames=2)
    settings = dict(slots=4, batch_size=2, settings={"seed": 1})
    encode_clips(clips, autoencoder, text, tmp_path / "one", **settings)
    for part in (1, 0):
        encode_clips(clips, autoencoder, text, tmp_path / "two", **settings, part=part, parts=2)
    names = [f"clips-0000{number}.safetensors" for number in range(3)]
    assert sorted(path.name for path in (tmp_path / "two").glob("clips-*")) == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_clips_encoded_in_batches_are_those_encoded_alone(autoencoder, tmp_path):
    text, clips = small_text_encoder().eval(), Damaged(7, size=16, num_frames=2)
    for batch_size in (1, 3):
        encode_clips(clips, autoencoder, text, tmp_path / str(batch_size), slots=4, batch_size=batch_size)
    one, three = (EncodedClips(tmp_path / name) for name in ("1", "3"))
    assert len(one) == len(three) == 5
    for left, right in zip(one, three):
        assert all(torch.allclose(left[name], right[name], atol=2e-3, rtol=1e-3) for name in left)


def test_a_mirrored_clip_has_its_boxes_and_sides_mirrored():
    clip = replace(render_clip(0, size=16, num_frames=3), caption="Left of it, a leftmost cat moving right, leftovers")
    seen = clip.mask.copy()
    seen[0, 0] = False
    clip = replace(clip, mask=seen, boxes_xyxy=clip.boxes_xyxy * seen[..., None])
    twice = WithFlips([clip])
    assert len(twice) == 2 and twice[0] is clip and len(list(twice)) == 2
    found = twice[1]
    assert np.array_equal(found.frames, clip.frames[:, :, ::-1])
    x1, _, x2, _ = clip.boxes_xyxy[1, 0]
    assert found.boxes_xyxy[1, 0, [0, 2]] == pytest.approx([1 - x2, 1 - x1])
    assert not found.boxes_xyxy[0, 0].any() and np.array_equal(found.mask, seen)
    assert found.caption == "Right of it, a rightmost cat moving left, leftovers"
    assert mirrored(found).caption == clip.caption
    assert np.allclose(mirrored(found).boxes_xyxy, clip.boxes_xyxy, atol=1e-6)


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


class Damaged(SyntheticClips):
    """Every third clip cannot be read."""

    def __getitem__(self, index):
        if index % 3 == 1:
            raise SampleError(f"clip {index}", "is damaged")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_damaged_clips_are_left_out_of_the_encoded_ones(autoencoder, tmp_path, workers):
    text, damaged, done = small_text_encoder().eval(), [], []
    clips = Damaged(7, size=16, num_frames=1)
    encode_clips(
        clips, autoencoder, text, tmp_path, slots=4, workers=workers, progress=done.append, report=damaged.append
    )
    encoded = EncodedClips(tmp_path)
    assert [error.path for error in damaged] == ["clip 1", "clip 4"] and sum(done) == 7
    for item, number in zip(encoded, (0, 2, 3, 5, 6), strict=True):
        with torch.no_grad():
            expected = text([render_clip(number, size=16, num_frames=1).caption])[0]
        assert torch.allclose(item["text"], expected, atol=2e-3, rtol=1e-3)


def test_a_shard_without_a_good_clip_does_no_harm(autoencoder, tmp_path):
    class Half(SyntheticClips):
        def __getitem__(self, index):
            if index < SHARD:
                raise SampleError(f"clip {index}", "is damaged")
            return super().__getitem__(index)

    text, ignore = small_text_encoder().eval(), lambda error: None
    encode_clips(Half(SHARD + 2, size=8, num_frames=1), autoencoder, text, tmp_path, slots=4, report=ignore)
    encoded = EncodedClips(tmp_path)
    assert len(encoded) == 2 and encoded[0]["latents"].shape == (1, 4, 4, 4) and encoded.null_text.ndim == 2
    encode_clips(Half(SHARD, size=8, num_frames=1), autoencoder, text, tmp_path / "bad", slots=4, report=ignore)
    with pytest.raises(ValueError, match="holds no clips: all of them were left out"):
        EncodedClips(tmp_path / "bad")


def test_encoded_clips_of_several_datasets_are_one(autoencoder, tmp_path):
    text = small_text_encoder().eval()
    for name, count in (("got10k", 3), ("youtube-vis", 2)):
        encode_clips(SyntheticClips(count, size=8, num_frames=1), autoencoder, text, tmp_path / name, slots=4)
    encoded = EncodedClips(tmp_path)
    assert len(encoded) == 5
    assert torch.equal(encoded[3]["latents"], EncodedClips(tmp_path / "youtube-vis")[0]["latents"])
    encode_clips(SyntheticClips(1, size=16, num_frames=1), autoencoder, text, tmp_path / "size", slots=4)
    assert EncodedClips(tmp_path).buckets == {(4, 4): [range(3), range(4, 6)], (8, 8): [range(3, 4)]}
    encode_clips(SyntheticClips(1, size=8, num_frames=2), autoencoder, text, tmp_path / "other", slots=4)
    with pytest.raises(
        ValueError, match=r"boxes_xyxy of a clip is \[2, 4, 4\], but \[1, 4, 4\] in .*got10k.*; encode all with"
    ):
        EncodedClips(tmp_path)


def test_encoding_something_else_into_the_same_folder_is_refused(autoencoder, tmp_path):
    text, clips = small_text_encoder().eval(), SyntheticClips(2, size=8, num_frames=1)
    encode_clips(clips, autoencoder, text, tmp_path, slots=4, settings={"seed": 1})
    encode_clips(clips, autoencoder, text, tmp_path, slots=4, settings={"seed": 1})
    with pytest.raises(ValueError, match="was encoded with other settings: --seed is 1 there, now 2; use the same, or"):
        encode_clips(clips, autoencoder, text, tmp_path, slots=4, settings={"seed": 2})


class Counting:
    """A text encoder that remembers what it was asked for."""

    def __init__(self, encoder):
        self.encoder, self.asked = encoder, []

    def phrases(self, phrases):
        self.asked += phrases
        return self.encoder.phrases(phrases)


def test_a_phrase_is_embedded_once_also_by_later_runs(tmp_path):
    torch.manual_seed(0)
    encoder = small_text_encoder().eval()
    counting = Counting(encoder)
    cache = PhraseCache(counting, tmp_path / "phrases.safetensors")
    found = cache(["red circle", "blue square", "red circle"])
    cache(["blue square"])
    assert sorted(counting.asked) == ["a", "blue square", "red circle"]
    with torch.no_grad():
        expected = encoder.phrases(["red circle", "blue square", "red circle"])
    assert torch.allclose(found.float(), expected, atol=2e-3, rtol=1e-3) and found.dtype == torch.float16
    assert cache([]).shape == (0, expected.shape[1])

    other = PhraseCache(Counting(encoder), tmp_path / "phrases.safetensors")  # a second process, at the same time
    other(["green circle"])
    cache.save()
    other.save()
    later = Counting(encoder)
    assert torch.equal(PhraseCache(later, tmp_path / "phrases.safetensors")(["red circle", "blue square"]), found[:2])
    assert later.asked == ["a"]  # only to see that the file is of this encoder


@pytest.mark.parametrize("damage", ["another encoder", "half a file"])
def test_phrases_of_another_encoder_or_in_a_damaged_file_are_not_used(tmp_path, damage):
    path = tmp_path / "phrases.safetensors"
    torch.manual_seed(0)
    cache = PhraseCache(small_text_encoder().eval(), path)
    wrong = cache(["red circle"])
    cache.save()
    if damage == "half a file":
        path.write_bytes(path.read_bytes()[:50])
    torch.manual_seed(1)
    encoder = small_text_encoder().eval()
    again = PhraseCache(encoder, path)
    with torch.no_grad():
        expected = encoder.phrases(["red circle"])
    assert torch.allclose(again(["red circle"]).float(), expected, atol=2e-3, rtol=1e-3)
    assert not torch.allclose(wrong.float(), expected, atol=0.1)
    again.save()
    assert len(PhraseCache(encoder, path).known) == 2
