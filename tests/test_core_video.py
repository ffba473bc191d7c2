"""Videos are written whole or not at all, and say what they were made from."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

from smcd_core.data import render_clip
from smcd_core.video import VideoError, check_output, contact_sheet, draw_boxes, read_metadata, write_video

av = pytest.importorskip("av")

NAMES = ["a.mp4", "a.webp", "a.gif", "frames"]
METADATA = {
    "settings": {"prompt": 'a "red" circle, \u00e9\u4e2d \U0001f600\n', "seed": 3, "guidance": [1.5, None]},
    "trajectory": {"version": 1, "objects": [{"phrase": "x" * 3000, "keys": [[n / 7] * 4 for n in range(400)]}]},
}
BOXES = np.array([[[0.25, 0.25, 0.75, 0.75]], [[0.5, 0.5, 1.2, 1.2]]])


def clip(width=64, height=48, frames=5):
    """A bright square that moves over a ramp."""
    x = np.linspace(0, 200, width)[None, :].repeat(height, 0)
    made = np.stack([np.stack([x, x, x * 0 + 40], -1)] * frames).astype(np.uint8)
    for n in range(frames):
        made[n, 8:24, 4 + 6 * n : 20 + 6 * n] = (250, 30, 30)
    return made


def read(path):
    """Frames of any of the formats."""
    if path.is_dir():
        return np.stack([np.array(Image.open(file)) for file in sorted(path.iterdir())])
    if path.suffix == ".mp4":
        with av.open(path) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    with Image.open(path) as image:
        read = []
        for n in range(image.n_frames):
            image.seek(n)
            read.append(np.array(image.convert("RGB")))
        return np.stack(read)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2).clip(1e-9))


@pytest.mark.parametrize("name", NAMES)
def test_frames_and_metadata_come_back_from_every_format(tmp_path, name):
    """gif has 256 colours, webp and mp4 lose detail: 30 dB; PNG loses nothing."""
    write_video(clip(), tmp_path / name, 8, METADATA)
    frames = read(tmp_path / name)
    assert frames.shape == clip().shape
    assert psnr(frames, clip()) > 30
    assert name != "frames" or np.array_equal(frames, clip())
    assert read_metadata(tmp_path / name) == METADATA
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (33, 31), (2, 2), (1, 1)])
def test_odd_sizes_can_be_mp4(tmp_path, width, height):
    frames = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    frames[:] = frames.mean((0, 1, 2)).astype(np.uint8)
    write_video(frames, tmp_path / "a.mp4", 8, {})
    back = read(tmp_path / "a.mp4")
    assert back.shape[1:3] == (height + height % 2, width + width % 2)
    assert np.abs(back[:, :height, :width].astype(int) - frames).max() <= 6


@pytest.mark.parametrize("fps", [1, 8, 12.5, 29.97, 120])
def test_mp4_plays_at_the_given_speed(tmp_path, fps):
    write_video(clip(), tmp_path / "a.mp4", fps, {})
    with av.open(tmp_path / "a.mp4") as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(fps, rel=1e-3)
        assert len([*container.decode(video=0)]) == 5


@pytest.mark.parametrize("name", ["a.webp", "a.gif"])
def test_animated_pictures_play_at_the_given_speed(tmp_path, name):
    write_video(clip(), tmp_path / name, 8, {})
    with Image.open(tmp_path / name) as image:
        image.seek(1)
        image.load()
        assert image.info["duration"] == pytest.approx(125, abs=5)
        assert image.info["loop"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_an_older_result_is_replaced_whole(tmp_path, name):
    write_video(clip(frames=5), tmp_path / name, 8, {"run": 1})
    write_video(clip(frames=3), tmp_path / name, 8, {"run": 2})
    assert len(read(tmp_path / name)) == 3
    assert read_metadata(tmp_path / name) == {"run": 2}
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_ctrl_c_leaves_nothing_half_written(tmp_path, name, before, monkeypatch):
    if before:
        write_video(clip(), tmp_path / name, 8, {"run": 1})

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    if name == "frames":
        save = Image.Image.save

        def save_three(self, path, **options):
            interrupted() if "0003" in str(path) else save(self, path, **options)

        monkeypatch.setattr(Image.Image, "save", save_three)
    else:
        monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_video(clip(), tmp_path / name, 8, {"run": 2})
    assert os.listdir(tmp_path) == [name] * before
    if before:
        assert len(read(tmp_path / name)) == 5 and read_metadata(tmp_path / name) == {"run": 1}


def test_a_folder_whose_renaming_fails_stays_as_it_was(tmp_path, monkeypatch):
    write_video(clip(), tmp_path / "frames", 8, {"run": 1})
    rename = type(tmp_path).rename

    def failing(self, target):
        if self.name.endswith(".tmp"):
            raise OSError("no space left")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", failing)
    with pytest.raises(OSError, match="no space"):
        write_video(clip(), tmp_path / "frames", 8, {"run": 2})
    assert os.listdir(tmp_path) == ["frames"] and read_metadata(tmp_path / "frames") == {"run": 1}


def test_folders_on_the_way_are_made(tmp_path):
    write_video(clip(), tmp_path / "new" / "deep" / "frames", 8, {})
    write_video(clip(), tmp_path / "other" / "a.gif", 8, {})


def test_outputs_that_cannot_be_are_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    (tmp_path / "folder.mp4").mkdir()
    for name, message in [
        ("a.avi", r"cannot write \.avi; expected \.mp4, \.webp, \.gif"),
        ("file", "is a file; a name without suffix is a folder"),
        ("full", "holds other files than frames"),
        ("folder.mp4", "is a folder; name a file"),
    ]:
        with pytest.raises(VideoError, match=message):
            check_output(tmp_path / name)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoError, match="mp4 needs the package av: pip install av"):
        check_output(tmp_path / "a.mp4")
    check_output(tmp_path / "A.WEBP")


def test_files_without_settings_say_so(tmp_path):
    for name in ("a.png", "a.gif", "a.webp"):
        Image.new("RGB", (8, 8)).save(tmp_path / name, **({"comment": b"hello"} if name == "a.gif" else {}))
        with pytest.raises(VideoError, match="carries no settings"):
            read_metadata(tmp_path / name)
    (tmp_path / "a.mp4").write_bytes(b"not a video")
    with pytest.raises(VideoError, match="cannot be read as a video"):
        read_metadata(tmp_path / "a.mp4")
    with pytest.raises(OSError):
        read_metadata(tmp_path)


# Drawing -------------------------------------------------------------------------------------------------------------


def test_boxes_are_drawn_in_their_place_and_colour_and_nothing_else_changes():
    frames = np.full((2, 128, 128, 3), 100, np.uint8)
    drawn = draw_boxes(frames, BOXES, np.array([[True], [False]]), ["#ff0000"], [""])
    assert drawn.shape == (2, 256, 256, 3)  # small frames are enlarged
    assert (drawn[1] == 100).all()  # invisible
    y, x = np.nonzero((drawn[0] == (255, 0, 0)).all(-1))
    assert (x.min(), y.min(), x.max(), y.max()) == (64, 64, 191, 191)
    assert (drawn[0, 70:186, 70:186] == 100).all() and (drawn[0, :60] == 100).all()
    assert (frames == 100).all()


def test_boxes_beyond_the_frame_and_empty_ones_do_not_break_the_drawing():
    boxes = np.array([[[-2, -1, 3, 2], [0.5, 0.5, 0.5, 0.5], [1.5, 0, 2, 1], [0.2, -0.3, 0.4, 0.1]]])
    drawn = draw_boxes(clip(frames=1), boxes, np.ones((1, 4)), [(255, 0, 0)] * 4, ["a", "", "b", "\u4e2d" * 90])
    assert drawn.shape[0] == 1


def test_a_label_shows_the_phrase_in_the_frame():
    """Also where its box touches the upper and right edges: the plate's own colour is found inside the frame."""
    frames = np.full((1, 300, 300, 3), 100, np.uint8)
    box = np.array([[[0.8, 0, 1, 0.2]]])
    plain, labelled = (draw_boxes(frames, box, np.ones((1, 1)), ["#00ff00"], [text]) for text in ("", "green square"))
    y, x = np.nonzero((plain != labelled).any(-1)[0])
    assert x.min() < 230 and y.min() >= 0 and y.max() < 40 and x.max() <= 299
    assert (labelled[0, y, x] == 0).all(-1).any()  # black letters on green


def test_a_path_joins_the_middles_of_neighbouring_visible_boxes_in_every_frame():
    frames = np.full((4, 256, 256, 3), 100, np.uint8)
    boxes = np.array([[[x, 0.4, x + 0.2, 0.6]] for x in (0.0, 0.25, 0.5, 0.75)])
    drawn = draw_boxes(frames, boxes, np.array([[True], [False], [True], [True]]), ["#ff0000"], [""], paths=True)
    for frame in drawn:
        red = (frame[128] == (255, 0, 0)).all(-1)
        # Pixels between the middles, 25.6, 89.6, 153.6 and 217.6, away from the boxes' sides.
        assert [red[x] for x in (26, 58, 89, 121, 154, 185, 218)] == [True, False, False, False, True, True, True]


def test_a_contact_sheet_shows_all_frames_or_sixteen_with_first_and_last():
    made = render_clip(3, size=32, num_frames=40)
    objects = (made.colors, made.phrases)
    few = contact_sheet(made.frames[:8], made.boxes_xyxy[:8], made.mask[:8], *objects)
    many = contact_sheet(made.frames, made.boxes_xyxy, made.mask, *objects)
    tile = 256 + 12
    assert few.size == (4 * tile + 12, 2 * (tile + 24) + 12)
    assert many.size == (4 * tile + 12, 4 * (tile + 24) + 12)
    last = np.array(many.crop((12 + 3 * tile, 12 + 3 * (tile + 24) + 24, 12 + 3 * tile + 256, many.height - 12)))
    assert np.array_equal(last, draw_boxes(made.frames[-1:], made.boxes_xyxy[-1:], made.mask[-1:], *objects)[0])


def test_large_frames_are_shrunk_in_a_contact_sheet():
    frames = np.zeros((1, 300, 1200, 3), np.uint8)
    sheet = contact_sheet(frames, BOXES[:1], np.ones((1, 1)), ["#00ff00"], ["x"])
    assert sheet.size == (512 + 24, 128 + 24 + 24)


@pytest.mark.parametrize("fps", [0.5, 6, 7, 8, 12, 23.976, 24, 25, 30, 50])
@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_pictures_that_move_keep_their_speed(tmp_path, name, fps):
    """A GIF counts in 10 ms: frames of one length would run at 8.33 instead of 8 per second."""
    frames = np.random.default_rng(0).integers(0, 255, (24, 8, 8, 3), np.uint8)
    write_video(frames, tmp_path / name, fps, {})
    durations = []
    with Image.open(tmp_path / name) as image:
        for frame in range(image.n_frames):
            image.seek(frame)
            image.load()
            durations.append(image.info["duration"])
    assert abs(sum(durations) - 24 * 1000 / fps) <= 5 + 24 * (name == "a.webp" and fps > 40)
    assert min(durations) >= 20 and max(durations) - min(durations) <= 10


@pytest.mark.parametrize("fps", [51, 60, 1000])
def test_a_gif_that_browsers_would_slow_down_is_refused_before_the_work(tmp_path, fps):
    with pytest.raises(VideoError, match=f"a GIF shows at most 50 frames per second, not {fps}: write .mp4 or .webp"):
        check_output(tmp_path / "a.gif", fps)
    check_output(tmp_path / "a.webp", fps)


def test_letters_that_pillow_lacks_come_from_a_font_of_the_system(monkeypatch, caplog):
    from PIL import ImageFont

    from smcd_core import fonts

    assert fonts.font_for("a dog", 20).getname() == ImageFont.load_default(20).getname()
    asked, original = [], ImageFont.truetype

    def truetype(name, size, **options):
        if not isinstance(name, str):  # Pillow's own
            return original(name, size, **options)
        asked.append(name)
        if not is_there:
            raise OSError("cannot open resource")
        return f"{name} of {size}"

    is_there = False
    fonts._system_font.cache_clear()
    monkeypatch.setattr(ImageFont, "truetype", truetype)
    assert fonts.font_for("\u8d64\u3044\u8eca", 20).getname() == ImageFont.load_default(20).getname()
    assert set(asked) == set(fonts.CANDIDATES) and "labels show squares" in caplog.text
    fonts._system_font.cache_clear()
    is_there = True
    monkeypatch.setattr(fonts, "_has", lambda font, letters: font == "wqy-zenhei.ttc of 20")
    assert fonts.font_for("\u8d64\u3044\u8eca", 33) == "wqy-zenhei.ttc of 33"
    fonts._system_font.cache_clear()
