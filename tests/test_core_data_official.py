"""GOT-10k, YouTube-VIS and the TSV files of GLIGEN, written here as their authors lay them out."""

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from test_core_data_folder import JSON, consecutive, numbered_frames, numbers, youtube_vis

from smcd_core.data import (
    KINDS,
    DatasetError,
    GOT10kClips,
    GroundingClips,
    SampleError,
    YouTubeVISClips,
    detect_dataset,
    read_all,
    stream,
)
from smcd_core.data.got10k import FAULTY
from smcd_core.data.grounding import Table

WIDTH, HEIGHT = 64, 48

META = """[METAINFO]
url: https://youtu.be/b0ZnfLI8YPw
begin: 00:00:24
anno_fps: 10Hz
object_class: sled
motion_class: gliding
major_class: vehicle
root_class: object
motion_adverb: slowly
resolution: (64, 48)

"""


def write_jpegs(folder, count, first=1, digits=8):
    folder.mkdir(parents=True)
    for number, frame in enumerate(numbered_frames(count), start=first):
        Image.fromarray(frame).save(folder / f"{number:0{digits}d}.jpg", quality=95)


def write_sequence(folder, count=12):
    """Frame f has the box x = 2 f, y = 6, 32 wide, 24 high, in pixels."""
    write_jpegs(folder, count)
    (folder / "groundtruth.txt").write_text("".join(f"{2 * f:.4f},6.0000,32.0000,24.0000\n" for f in range(count)))
    (folder / "meta_info.ini").write_text(META)
    (folder / "absence.label").write_text("1\n" * count)


# GOT-10k -------------------------------------------------------------------------------------------------------------


def test_got10k_gives_consecutive_frames_with_their_boxes_and_the_published_prompt(tmp_path):
    write_sequence(tmp_path / "train" / "GOT-10k_Train_000001", 25)
    clips = GOT10kClips(tmp_path, size=32, passes=40)
    starts = set()
    for clip in clips:
        seen = numbers(clip.frames)
        starts.add(seen[0])
        assert consecutive(seen) and len(seen) == 8
        left = 2 * np.array(seen) / WIDTH
        expected = np.stack([left, np.full(8, 6 / HEIGHT), (left + 0.5).clip(0, 1), np.full(8, 30 / HEIGHT)], 1)
        assert np.allclose(clip.boxes_xyxy[:, 0], expected, atol=1e-6)
        assert clip.mask.all()  # as published, whatever absence.label says
        assert clip.phrases == ("sled",) and clip.caption == "A sled that is gliding. "
    assert min(starts) == 0 and max(starts) == 17 and len(starts) > 10


@pytest.mark.parametrize("place", ["train", "GOT-10k/train", "got-10k/train", "got10k/train"])
def test_got10k_is_found_where_people_unpack_it(tmp_path, place):
    write_sequence(tmp_path / place / "GOT-10k_Train_000001", 8)
    assert len(GOT10kClips(tmp_path)) == len(GOT10kClips(tmp_path / place)) == 1
    assert detect_dataset(tmp_path) == detect_dataset(tmp_path / place) == "got10k"
    with pytest.raises(DatasetError, match="holds no split 'val' of GOT-10k"):
        GOT10kClips(tmp_path, split="val")


def test_got10k_leaves_out_the_sequences_that_were_left_out_when_it_was_published(tmp_path):
    assert len(FAULTY) == 34
    for number in ("000002", "001665", "009323"):
        write_sequence(tmp_path / "train" / f"GOT-10k_Train_{number}", 8)
    clips = GOT10kClips(tmp_path)
    assert [path.name[-6:] for path in clips.paths] == ["000002"]
    assert clips.left_out == {"faulty, as published": 2}


DAMAGE = {
    "meta_info.ini": ("object_class: sled", "resolution is|object_class is|expected"),
    "groundtruth.txt": ("1,2,3\n", "has 1 boxes for 8 frames"),
    "00000003.jpg": ("no picture", "cannot be read"),
}


# A folder without groundtruth.txt is no sequence.
@pytest.mark.parametrize(
    "file, missing",
    [(file, missing) for file in DAMAGE for missing in (True, False) if (file[:1], missing) != ("g", True)],
)
def test_got10k_reports_a_damaged_sequence(tmp_path, file, missing):
    for number in (1, 2):
        write_sequence(tmp_path / "train" / f"GOT-10k_Train_00000{number}", 8)
    path = tmp_path / "train" / "GOT-10k_Train_000001" / file
    content, reason = DAMAGE[file]
    if missing:
        path.unlink()
    else:
        path.write_text(content)
    damaged = []
    assert len(list(stream(GOT10kClips(tmp_path, size=16), report=damaged.append))) == 1
    assert len(damaged) == 1 and "GOT-10k_Train_000001" in damaged[0].path
    if not missing:
        with pytest.raises(SampleError, match=reason):
            raise damaged[0]


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    root = tmp_path_factory.mktemp("got")
    write_sequence(root / "train" / "GOT-10k_Train_000001", 8)
    return root


LINES = st.lists(st.lists(st.floats() | st.integers(-5, 90) | st.text(max_size=3), max_size=5), max_size=9)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | LINES.map(lambda rows: "\n".join(",".join(map(str, row)) for row in rows)))
@pytest.mark.parametrize("file", ["groundtruth.txt", "meta_info.ini"])
def test_arbitrary_got10k_annotations_give_a_clip_or_a_reported_skip(sequence, file, text):
    path = sequence / "train" / "GOT-10k_Train_000001" / file
    before = path.read_bytes()
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        for clip in stream(GOT10kClips(sequence, size=8), report=lambda error: str(error).encode()):
            assert np.isfinite(clip.boxes_xyxy).all()
    finally:
        path.write_bytes(before)


# YouTube-VIS ---------------------------------------------------------------------------------------------------------


def write_youtube_vis(root, objects=10):
    """Video "a" has 9 frames and `objects` objects, "b" has 4 frames. Object n is hidden in frame n."""
    home = root / "train"
    write_jpegs(home / "JPEGImages" / "a", 9, first=0, digits=5)
    write_jpegs(home / "JPEGImages" / "b", 4, first=0, digits=5)
    lengths = {"a": 9, "b": 4}
    videos = [
        {"id": number, "width": WIDTH, "height": HEIGHT, "length": count,
         "file_names": [f"{name}/{f:05d}.jpg" for f in range(count)]}
        for number, (name, count) in enumerate(lengths.items(), start=1)
    ]  # fmt: skip
    annotations = [
        {"id": n + 1, "video_id": 1, "category_id": 1 + n % 2, "iscrowd": 0, "width": WIDTH, "height": HEIGHT,
         "bboxes": [None if f == n else [float(n), 4.0, 16.0, 12.0] for f in range(9)],
         "areas": [None if f == n else 192 for f in range(9)],
         "segmentations": [{"counts": [3, 4], "size": [HEIGHT, WIDTH]}] * 9}
        for n in range(objects)
    ]  # fmt: skip
    categories = [{"id": 1, "name": "giant_panda"}, {"id": 2, "name": "dog"}]
    content = {"info": {}, "licenses": [], "videos": videos, "categories": categories, "annotations": annotations}
    (home / "instances.json").write_text(json.dumps(content))
    (home / "caption.json").write_text(json.dumps({"a": "two pandas play", "b": "nothing"}))
    return content


def test_youtube_vis_gives_all_objects_in_the_order_of_the_file(tmp_path):
    write_youtube_vis(tmp_path)
    clips = YouTubeVISClips(tmp_path, size=16, passes=20)
    assert clips.left_out == {"fewer than 8 frames": 1} and len(clips) == 20
    starts = set()
    for clip in clips:
        seen = numbers(clip.frames)
        starts.add(seen[0])
        assert consecutive(seen) and clip.caption == "two pandas play"
        assert clip.phrases == ("giant_panda", "dog") * 5
        for n in range(10):
            assert clip.mask[:, n].tolist() == [f != n for f in seen]
            expected = np.array([n / 64, 4 / 48, (n + 16) / 64, 16 / 48]) * clip.mask[:, n, None]
            assert np.allclose(clip.boxes_xyxy[:, n], expected, atol=1e-6)
    assert starts == {0, 1}
    assert detect_dataset(tmp_path) == detect_dataset(tmp_path / "train") == "youtube-vis"


def test_youtube_vis_names_its_objects_where_nobody_wrote_captions(tmp_path):
    write_youtube_vis(tmp_path)
    (tmp_path / "train" / "caption.json").unlink()
    assert YouTubeVISClips(tmp_path, size=16)[0].caption == "giant_panda, dog"


def test_youtube_vis_reports_a_video_without_a_caption_in_the_file(tmp_path):
    write_youtube_vis(tmp_path)
    (tmp_path / "train" / "caption.json").write_text("{}")
    with pytest.raises(SampleError, match="caption.json: the caption of a is NoneType, expected text"):
        YouTubeVISClips(tmp_path, size=16)[0]


@pytest.mark.parametrize("name", ["../../secret.jpg", "/etc/secret.jpg", "a/../../../secret.jpg"])
def test_youtube_vis_never_leaves_its_folder(tmp_path, name):
    content = write_youtube_vis(tmp_path / "data")
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.jpg")
    content["videos"][0]["file_names"][3] = name
    (tmp_path / "data" / "train" / "instances.json").write_text(json.dumps(content))
    with pytest.raises(SampleError, match="leads out of the dataset"):
        YouTubeVISClips(tmp_path / "data", size=16)[0]


@pytest.fixture(scope="module")
def small_vis(tmp_path_factory):
    root = tmp_path_factory.mktemp("vis")
    write_jpegs(root / "JPEGImages" / "walk", 4, first=0, digits=1)
    content = json.loads(json.dumps(youtube_vis()).replace(".png", ".jpg"))
    return root, content


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_arbitrary_youtube_vis_annotations_give_a_clip_or_a_clear_error(small_vis, data):
    root, content = small_vis
    content = json.loads(json.dumps(content))
    paths = [(("videos", 0), key) for key in content["videos"][0]]
    paths += [(("annotations", 0), key) for key in content["annotations"][0]] + [(("categories", 0), "name")]
    paths += [((), key) for key in content] + [(("annotations", 0, "bboxes"), 0), (("videos", 0, "file_names"), 1)]
    home, key = data.draw(st.sampled_from(paths))
    place = content
    for step in home:
        place = place[step]
    place[key] = data.draw(JSON)
    (root / "instances.json").write_text(json.dumps(content))
    try:
        for clip in stream(YouTubeVISClips(root, size=8, num_frames=4), report=lambda error: str(error).encode()):
            assert np.isfinite(clip.boxes_xyxy).all() and clip.frames.shape == (4, 8, 8, 3)
    except DatasetError as error:
        assert "instances.json" in str(error)


# GLIGEN --------------------------------------------------------------------------------------------------------------

CAPTION = "A red dog chases a ball, blue  sky"


def picture(width=100, height=80):
    """Red rises to the right, green rises downwards: a crop can be read off its corners."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width) * 2
    pixels[..., 1] = np.arange(height)[:, None] * 2
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def embedding():
    return base64.b64encode(np.zeros(768, np.float32).tobytes()).decode()


def anno(bbox, places, **more):
    names = ("text_embedding_before", "text_embedding_after", "image_embedding_before", "image_embedding_after")
    return {"bbox": bbox, "tokens_positive": places, "id": 1, **{name: embedding() for name in names}, **more}


def row(**changes):
    annos = [anno([30, 20, 10, 10], [[19, 23]]), anno([20, 10, 60, 60], [[2, 9]]), anno([50, 40, 5, 3], [[25, 29]])]
    content = {"data_id": 7, "image": picture(), "file_name": "7.jpg", "caption": CAPTION, "annos": annos, **changes}
    return f"7\t{json.dumps(content)}\n"


def write_table(path, rows, index=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(rows))
    if index:
        starts = np.cumsum([0] + [len(text) for text in rows[:-1]])
        path.with_suffix(".lineidx").write_text("".join(f"{start}\n" for start in starts))


def test_grounding_cuts_a_square_and_keeps_the_objects_that_are_large_enough(tmp_path):
    write_table(tmp_path / "train-00.tsv", [row()])
    clips = GroundingClips(tmp_path, size=40, passes=30)
    sides = set()
    for clip in clips:
        assert clip.caption == "A red dog chases a ball, blue sky"
        # The largest first; the sky is 15 of 6400 square pixels.
        assert clip.phrases == ("red dog", "ball") and clip.mask.all() and clip.boxes_xyxy.shape == (1, 2, 4)
        corner, opposite = clip.frames[0, 0, 0].astype(float), clip.frames[0, -1, -1].astype(float)
        side = (opposite - corner)[:2] / 2 * 40 / 39  # in pixels of the picture, from centre to centre of 40 pixels
        start = (corner[:2] / 2 + 0.5) - side / 80
        sides.add(round(side.mean()))
        # 8-bit colours that rise by 2 a pixel tell a place to half a pixel or so.
        assert np.allclose(side, side.mean(), atol=1.5) and 71 <= side.mean() <= 81
        box = np.array([20, 10, 80, 70]) - np.tile(start, 2)
        assert np.allclose(clip.boxes_xyxy[0, 0], (box / side.mean()).clip(0, 1), atol=0.03)
    assert len(sides) > 4


def test_grounding_keeps_thirty_objects_from_large_to_small(tmp_path):
    annos = [anno([10, 10, 20 + n, 20 + n], [[2, 9]]) for n in range(40)]
    write_table(tmp_path / "train.tsv", [row(annos=annos)])
    clip = GroundingClips(tmp_path, size=16)[0]
    area = (clip.boxes_xyxy[0, :, 2:] - clip.boxes_xyxy[0, :, :2]).prod(-1)
    assert len(area) == 30 and (np.diff(area) <= 0).all()


def test_a_phrase_may_be_words_from_several_places(tmp_path):
    write_table(tmp_path / "train.tsv", [row(annos=[anno([0, 0, 90, 80], [[2, 5], [19, 23]])])])
    assert GroundingClips(tmp_path, size=16)[0].phrases == ("red ball",)


def test_files_of_detection_datasets_get_a_caption_of_their_categories(tmp_path):
    annos = [anno([0, 0, 90, 80], None, category_name=name) for name in ("car", "dog", "car")]
    write_table(tmp_path / "train.tsv", [row(is_det=True, caption=None, annos=annos)])
    assert GroundingClips(tmp_path, size=16)[0].caption == "car, dog"


def test_rows_of_all_tables_are_read_with_or_without_an_index(tmp_path):
    for number, index in ((0, True), (1, False)):
        rows = [row(caption=f"{CAPTION} {number} {n}") for n in range(5)]
        write_table(tmp_path / "sbu" / f"train-0{number}.tsv", rows, index)
    clips = GroundingClips(tmp_path, size=8)
    expected = [f"A red dog chases a ball, blue sky {number} {n}" for number in (0, 1) for n in range(5)]
    assert [clip.caption for clip in clips] == expected
    made = tmp_path / "sbu" / "train-01.lineidx"
    assert made.exists() and len(Table(tmp_path / "sbu" / "train-01.tsv")) == 5
    assert clips.name_of(7).endswith("train-01.tsv, line 3")
    assert detect_dataset(tmp_path) == "grounding"


@pytest.mark.parametrize("index", ["", "0\n5\n", "zero\n", "0\n99999999\n", "7\n", "-1\n", "0\n" * 5, "9" * 30])
def test_an_index_that_does_not_fit_is_made_anew(tmp_path, index):
    rows = [row(caption=f"{CAPTION} {n}") for n in range(5)]
    write_table(tmp_path / "train.tsv", rows, False)
    (tmp_path / "train.lineidx").write_text(index)
    assert [clip.caption[-1] for clip in GroundingClips(tmp_path, size=8)] == list("01234")


def test_an_index_of_a_part_of_the_table_is_made_anew(tmp_path):
    """As after more lines were added within the resolution of the file's date."""
    rows = [row(caption=f"{CAPTION} {n}") for n in range(5)]
    write_table(tmp_path / "train.tsv", rows)
    index = tmp_path / "train.lineidx"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:3]))
    assert len(GroundingClips(tmp_path, size=8)) == 5


def test_embeddings_in_the_table_are_never_decoded(tmp_path):
    annos = [anno([0, 0, 90, 80], [[2, 9]], text_embedding_before="gASVCAAAAAAAAACMBHBvc2l4lC4=")]
    write_table(tmp_path / "train.tsv", [row(annos=annos)])
    assert GroundingClips(tmp_path, size=8)[0].phrases == ("red dog",)


def test_a_damaged_row_is_reported_with_file_and_line(tmp_path):
    rows = [row(), "no tab\n", "7\tno json\n", "7\t[]\n", row(image="&"), row(image=base64.b64encode(b"x").decode()),
            row(caption=None), row(annos=[{"bbox": [1, 2, 3]}]), row(annos=[anno([0, 0, 90, 80], [[2, 999]])]),
            row(annos=[anno([0, 0, 90, 80], None)]), row()]  # fmt: skip
    write_table(tmp_path / "train.tsv", rows)
    results = list(read_all(GroundingClips(tmp_path, size=8)))
    assert [index for index, clip in results if not isinstance(clip, SampleError)] == [0, 10]
    errors = [clip for _, clip in results[1:10]]
    assert [error.path[-6:] for error in errors] == [f"line {n}" for n in range(2, 10)] + ["ine 10"]
    words = ["no tab", "not JSON", "a JSON list", "not base64", "identify", "caption is NoneType", "bbox|box",
             "outside the caption", "tokens_positive is None"]  # fmt: skip
    for error, word in zip(errors, words, strict=True):
        with pytest.raises(SampleError, match=word):
            raise error


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_arbitrary_rows_give_a_clip_or_a_reported_skip(tmp_path, data):
    content = json.loads(row().partition("\t")[2])
    place = data.draw(st.sampled_from([content, content["annos"][0]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    text = data.draw(st.sampled_from([f"7\t{json.dumps(content)}\n", None]))
    text = text or data.draw(st.text(max_size=40)).replace("\n", " ") + "\n"
    path = tmp_path / "train.tsv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    path.with_suffix(".lineidx").unlink(missing_ok=True)
    for clip in stream(GroundingClips(path, size=8), report=lambda error: str(error).encode()):
        assert np.isfinite(clip.boxes_xyxy).all() and clip.frames.shape == (1, 8, 8, 3)


# All -----------------------------------------------------------------------------------------------------------------


def test_published_sizes_are_the_defaults():
    assert {name: (kind.size, kind.num_frames, kind.slots) for name, kind in KINDS.items()} == {
        "got10k": (256, 8, 8), "youtube-vis": (256, 8, 8), "grounding": (256, 1, 30), "folder": (256, 8, 8),
    }  # fmt: skip
