"""A folder of videos as it comes: files or frames, with boxes and captions in the formats that people have."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image, ImageOps

from smcd_core.data import DatasetError, FolderClips, SampleError, read_all, stream
from smcd_core.data.media import FrameFolder, VideoFile, inside, read_image, reading
from smcd_core.evaluation.metrics import psnr
from smcd_core.trajectory.simplify import trajectory_from_boxes
from smcd_core.trajectory.write import write_json
from smcd_core.video import write_video

WIDTH, HEIGHT = 64, 48


def numbered_frames(count, width=WIDTH, height=HEIGHT):
    """Frame k is grey of brightness 10 k: which frames a clip holds can be read off its pixels."""
    return np.repeat(np.arange(count, dtype=np.uint8) * 10, height * width * 3).reshape(count, height, width, 3)


def numbers(frames):
    """The inverse of `numbered_frames`; lossy codecs move a grey by 2 at most."""
    return np.rint(frames.mean((1, 2, 3)) / 10).astype(int).tolist()


def write_frames(folder, count, suffix=".png"):
    folder.mkdir(parents=True)
    for number, frame in enumerate(numbered_frames(count)):
        Image.fromarray(frame).save(folder / f"{number}{suffix}")  # 10 comes after 9


def consecutive(values, interval=1):
    return values == list(range(values[0], values[0] + len(values) * interval, interval))


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ""])
def test_a_clip_holds_consecutive_frames_of_a_video_with_its_caption(tmp_path, suffix):
    if suffix:
        write_video(numbered_frames(20), tmp_path / f"walk{suffix}", 10, {})
    else:
        write_frames(tmp_path / "walk", 20)
    (tmp_path / "walk.txt").write_text("  a dog\nwalks ", encoding="utf-8")
    clips = FolderClips(tmp_path, size=32, num_frames=4, passes=30)
    seen = [numbers(clip.frames) for clip in clips]
    assert len(clips) == 30 and all(map(consecutive, seen))
    assert {values[0] for values in seen} > {0, 16}  # also the first and the last clip that fit
    assert clips[0].caption == "a dog walks" and clips[0].boxes_xyxy.shape == (4, 0, 4)


def test_frames_of_a_video_are_found_wherever_a_clip_starts(tmp_path):
    """Key frames every 12 frames and frames that depend on later ones: seeking alone lands elsewhere."""
    import av

    with av.open(tmp_path / "long.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"g": "12", "bf": "2", "crf": "1"}
        for frame in numbered_frames(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    video = VideoFile(tmp_path / "long.mp4")
    assert video.length == 25 and video.size() == (WIDTH, HEIGHT)
    for start in range(23):
        assert numbers(video.read([start, start + 2], (16, 16))) == [start, start + 2]


def test_frames_are_found_in_a_file_that_seeks_too_far(tmp_path):
    class SeeksTooFar(VideoFile):
        def _decoded(self, start):
            return (frame for frame in VideoFile._decoded(self, 0) if not start or frame.pts > self.times[start])

    write_video(numbered_frames(9), tmp_path / "walk.mp4", 8, {})
    assert numbers(SeeksTooFar(tmp_path / "walk.mp4").read([4, 5], (16, 16))) == [4, 5]


def test_a_large_jpeg_looks_as_if_it_was_decoded_whole(tmp_path):
    """It is read at half its size first, which saves time. An autoencoder changes more than 40 dB: about 30."""
    y, x = np.mgrid[:720, :1280] / 720
    waves = [128 + 100 * np.sin(40 * x * (1 + n) + 25 * y) for n in range(3)]
    Image.fromarray(np.stack(waves, -1).astype(np.uint8)).save(tmp_path / "0.jpg", quality=90)
    with Image.open(tmp_path / "0.jpg") as image:
        whole = np.asarray(image.resize((256, 256), Image.Resampling.BILINEAR))
    read = read_image(tmp_path / "0.jpg", (256, 256))
    assert not np.array_equal(read, whole) and psnr(read, whole) > 40


@pytest.mark.parametrize("orientation", range(1, 9))
def test_frames_of_a_phone_are_turned_as_it_was_held(tmp_path, orientation):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)).resize((640, 480))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "0.png", exif=exif)
    upright = ImageOps.exif_transpose(picture_with(tmp_path / "0.png"))
    assert FrameFolder(tmp_path).size() == upright.size
    expected = np.asarray(upright.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(read_image(tmp_path / "0.png", (64, 64)) - expected).max() <= 2


def picture_with(path):
    with Image.open(path) as image:
        image.load()
        return image


@pytest.mark.parametrize("dtype, top", [(np.uint16, 65535), (np.int32, 65535), (np.float32, 1)])
def test_deep_grey_images_keep_their_brightness(tmp_path, dtype, top):
    """Pillow itself turns 16 bits to white and fractions to black."""
    ramp = np.linspace(0, 1, 64)[None].repeat(48, 0)
    Image.fromarray((ramp * top).astype(dtype)).save(tmp_path / "0.tiff")
    read = read_image(tmp_path / "0.tiff", (64, 64))
    assert np.abs(read[24, :, 0] - ramp[0] * 255).max() <= 3


def test_an_avi_with_frames_stored_out_of_order_is_read_in_order(tmp_path):
    import av

    with av.open(tmp_path / "walk.avi", "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"g": "12", "bf": "3", "crf": "1"}
        for frame in numbered_frames(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    video = VideoFile(tmp_path / "walk.avi")
    assert video.length == 25
    for start in range(0, 18, 3):
        assert numbers(video.read(range(start, start + 8), (16, 16))) == list(range(start, start + 8))


def test_frames_that_share_a_time_are_all_counted(tmp_path):
    """As in recordings of a screen whose rate changes, written at a fixed one."""
    import av

    with av.open(tmp_path / "screen.mkv", "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for number, frame in enumerate(numbered_frames(25)):
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                packet.pts = packet.dts = number // 2
                container.mux(packet)
    video = VideoFile(tmp_path / "screen.mkv")
    assert video.length == 25
    for start in range(0, 18, 3):
        assert numbers(video.read(range(start, start + 8), (16, 16))) == list(range(start, start + 8))


def test_ids_of_detections_are_refused_and_labels_of_cvat_name_objects(tmp_path):
    write_frames(tmp_path / "walk", 4)
    (tmp_path / "walk" / "gt").mkdir()
    boxes = tmp_path / "walk" / "gt" / "gt.txt"
    boxes.write_text("1 -1 5 10 20 20 0.9 -1 -1 -1\n")
    with pytest.raises(SampleError, match="found id -1, a detection that no tracker has joined"):
        FolderClips(tmp_path, size=16, num_frames=4)[0]
    boxes.write_text("".join(f"{frame} 1 5 10 20 20 1 2 1.0\n" for frame in range(1, 5)))
    (boxes.parent / "labels.txt").write_text("bus\ndog\n")
    assert FolderClips(tmp_path, size=16, num_frames=4)[0].phrases == ("dog",)


def test_an_interval_leaves_frames_out(tmp_path):
    write_frames(tmp_path / "walk", 13)
    (tmp_path / "captions.json").write_text('{"walk": "a dog walks"}')
    clips = FolderClips(tmp_path, size=16, num_frames=4, interval=4)
    assert numbers(clips[0].frames) == [0, 4, 8, 12]


@pytest.mark.parametrize("key", ["day/walk.mp4", "day/walk", "walk"])
def test_captions_of_all_videos_may_come_in_one_file(tmp_path, key):
    (tmp_path / "day").mkdir()
    write_video(numbered_frames(4), tmp_path / "day" / "walk.mp4", 8, {})
    (tmp_path / "captions.json").write_text(json.dumps({key: "a dog walks"}))
    assert FolderClips(tmp_path, size=16, num_frames=4)[0].caption == "a dog walks"


def test_boxes_in_a_trajectory_beside_the_video_are_read(tmp_path):
    write_video(numbered_frames(6), tmp_path / "walk.mp4", 8, {})
    boxes = np.array([[[0.1 * f, 0.2, 0.1 * f + 0.3, 0.9]] for f in range(6)])  # [F, 1, 4]
    mask = np.ones((6, 1), bool)
    mask[4] = False
    write_json(tmp_path / "walk.json", trajectory_from_boxes(boxes, mask, WIDTH, HEIGHT, 8, ["dog"], tolerance=1e-6))
    clip = FolderClips(tmp_path, size=16, num_frames=6)[0]
    assert clip.phrases == ("dog",) and clip.caption == "dog"  # without a caption, the objects are it
    assert clip.mask[:, 0].tolist() == [True] * 4 + [False, True]
    assert np.allclose(clip.boxes_xyxy[mask], boxes[mask].clip(0, 1), atol=2e-6)


CVAT = """<?xml version="1.0"?>
<annotations><version>1.1</version><meta><task><size>6</size>
<original_size><width>64</width><height>48</height></original_size></task></meta>
<track id="0" label="dog">
<box frame="0" keyframe="1" outside="0" xtl="0" ytl="12" xbr="16" ybr="36"/>
<box frame="4" keyframe="1" outside="0" xtl="32" ytl="12" xbr="48" ybr="36"/>
<box frame="5" keyframe="1" outside="1" xtl="32" ytl="12" xbr="48" ybr="36"/>
</track></annotations>
"""
TABLE = "frame,object,x1,y1,x2,y2\n" + "".join(f"{f},dog,{8 * f},12,{8 * f + 16},36\n" for f in range(5))
TRAILBLAZER = """keyframe:
- {bbox_ratios: [0, 0.25, 0.25, 0.75], frame: 0, prompt: dog}
- {bbox_ratios: [0.5, 0.25, 0.75, 0.75], frame: 4, prompt: dog}
- {bbox_ratios: [0.5, 0.25, 0.75, 0.75], frame: 5, prompt: dog}
"""
KITTI = "".join(f"{f} 0 Dog 0 0 0 {8 * f} 12 {8 * f + 16} 36 {'1 ' * 7}\n" for f in range(5))
LABELS = [f"0 {(8 * f + 8) / 64} 0.5 0.25 0.5\n" for f in range(5)]
BESIDE = {
    "walk.xml": CVAT,
    "walk.csv": TABLE,
    "walk.tsv": TABLE.replace(",", "\t"),
    "walk.yaml": TRAILBLAZER,
    "walk.yml": TRAILBLAZER,
    "walk.boxes.txt": KITTI,
    "walk/groundtruth.txt": "".join(f"{8 * f},12,16,24\n" for f in range(6)),
}


@pytest.mark.parametrize("name", BESIDE)
def test_boxes_beside_the_frames_are_read_in_any_format(tmp_path, name):
    write_frames(tmp_path / "walk", 6)
    (tmp_path / name).write_text(BESIDE[name])
    if name == "walk/groundtruth.txt":  # of GOT-10k
        (tmp_path / "walk" / "meta_info.ini").write_text(f"[METAINFO]\nresolution: ({WIDTH}, {HEIGHT})\n")
    clip = FolderClips(tmp_path, size=16, num_frames=6, phrase="dog")[0]
    assert clip.phrases == ("dog",)
    assert clip.mask[:5, 0].all()
    assert np.allclose(clip.boxes_xyxy[:5, 0, 0], np.arange(5) / 8, atol=1e-5)


def test_points_beside_a_video_are_boxes_around_them(tmp_path):
    write_video(numbered_frames(6), tmp_path / "walk.mp4", 8, {})
    points = np.stack([np.linspace(16, 32, 6), np.full(6, 24)], -1)[None, :, None]  # [1, F, 1, 2]
    np.save(tmp_path / "walk.npy", points.astype(np.float32))
    clip = FolderClips(tmp_path, size=16, num_frames=6, phrase="dog")[0]
    middles = (clip.boxes_xyxy[:, 0, 0] + clip.boxes_xyxy[:, 0, 2]) / 2
    assert np.allclose(middles, np.linspace(0.25, 0.5, 6), atol=1e-3)


@pytest.mark.parametrize("folder", ["walk", "walk/labels"])
def test_labels_of_yolo_belong_to_the_frames_of_their_names(tmp_path, folder):
    write_frames(tmp_path / "walk", 12)
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / "classes.txt").write_text("dog\n")
    if folder == "walk/labels":
        (tmp_path / folder / "classes.txt").write_text("dog\n")
    for frame in range(5):  # there is nothing before frame 6, and nothing in the last one
        (tmp_path / folder / f"{6 + frame}.txt").write_text(LABELS[frame])
    clip = FolderClips(tmp_path, size=16, num_frames=12)[0]
    assert clip.phrases == ("dog",)
    assert clip.mask[:, 0].tolist() == [False] * 6 + [True] * 5 + [False]
    assert np.allclose(clip.boxes_xyxy[6:11, 0, 0], np.arange(5) / 8, atol=1e-6)
    (tmp_path / folder / "13.txt").write_text(LABELS[0])
    with pytest.raises(SampleError, match=r"13.txt: has no image of its name among the frames, such as 0.png"):
        FolderClips(tmp_path, size=16, num_frames=12)[0]


def test_captions_of_frames_are_no_labels(tmp_path):
    write_frames(tmp_path / "walk", 6)
    (tmp_path / "walk.txt").write_text("dogs on a lawn")
    for frame in range(6):
        (tmp_path / "walk" / f"{frame}.txt").write_text(f"{frame + 2} dogs on a lawn")
    assert FolderClips(tmp_path, size=16, num_frames=6)[0].phrases == ()


def test_what_settles_a_format_is_said_where_no_option_does(tmp_path):
    write_frames(tmp_path / "walk", 6)
    (tmp_path / "walk.boxes.txt").write_text("8,12,24,36\n" * 6)  # as corners or as sides
    with pytest.raises(SampleError, match="say --box-format xyxy or --box-format xywh to smcd convert-boxes, and put"):
        FolderClips(tmp_path, size=16, num_frames=6, phrase="dog")[0]


def test_boxes_that_start_late_stay_in_their_frames(tmp_path):
    write_frames(tmp_path / "walk", 12)
    (tmp_path / "walk.csv").write_text("".join(f"{frame},1,8,12,16,24,1,-1,-1,-1\n" for frame in (10, 11)))
    clip = FolderClips(tmp_path, size=16, num_frames=12, phrase="dog")[0]
    assert clip.mask[:, 0].tolist() == [False] * 9 + [True] * 2 + [False]


MOT = """1,7,16,12,32,24,1,1,1
2,7,20,12,32,24,1,1,0.5
1,3,0,0,8,8,1,3,1
1,9,0,0,64,48,0,1,1
2,5,0,0,64,48,1,9,1
4,3,-8,0,16,8,1,3,1
"""


@pytest.mark.parametrize("layout", ["challenge", "beside"])
def test_mot_boxes_are_read_from_either_place(tmp_path, layout):
    if layout == "challenge":
        write_frames(tmp_path / "MOT17-02" / "img1", 4)
        (tmp_path / "MOT17-02" / "gt").mkdir()
        (tmp_path / "MOT17-02" / "gt" / "gt.txt").write_text(MOT)
        (tmp_path / "MOT17-02" / "seqinfo.ini").write_text("[Sequence]\nimWidth=64\nimHeight=48\nseqLength=4\n")
    else:
        write_video(numbered_frames(4), tmp_path / "MOT17-02.mp4", 8, {})
        (tmp_path / "MOT17-02.mot.txt").write_text(MOT)
    clips = FolderClips(tmp_path, size=16, num_frames=4)
    clip = clips[0]
    # The row with conf 0 and the class 9 (a distractor) do not count; the person is larger than the car.
    assert len(clips) == 1 and clip.phrases == ("pedestrian", "car") and clip.caption == "pedestrian, car"
    assert clip.mask.tolist() == [[True, True], [True, False], [False, False], [False, True]]
    assert np.allclose(clip.boxes_xyxy[0], [[0.25, 0.25, 0.75, 0.75], [0, 0, 1 / 8, 1 / 6]])
    assert np.allclose(clip.boxes_xyxy[3, 1], [0, 0, 1 / 8, 1 / 6])  # clipped at the left


def test_objects_of_a_tracker_are_named_by_the_caller(tmp_path):
    write_frames(tmp_path / "walk", 4)
    (tmp_path / "walk.mot.txt").write_text("1,1,0,0,8,8,0.9,-1,-1,-1\n")
    with pytest.raises(SampleError, match="without a name; say what they are with --phrase"):
        FolderClips(tmp_path, size=16, num_frames=4)[0]
    assert FolderClips(tmp_path, size=16, num_frames=4, phrase="red car")[0].phrases == ("red car",)


def coco_vid():
    images = [
        {"id": 10 + f, "video_id": 1, "frame_id": f, "file_name": f"train/walk/{f}.png", "width": 64, "height": 48}
        for f in reversed(range(4))
    ]
    boxes = [
        {"id": f, "image_id": 10 + f, "video_id": 1, "instance_id": 5, "category_id": 2, "bbox": [16, 12, 32, 24]}
        for f in (0, 2, 3)
    ]
    categories = [{"id": 2, "name": "dog"}]
    return {"videos": [{"id": 1, "name": "walk"}], "images": images, "annotations": boxes, "categories": categories}


def youtube_vis():
    files = [f"walk/{f}.png" for f in range(4)]
    boxes = [[16, 12, 32, 24], None, [16, 12, 32, 24], [16, 12, 32, 24]]
    return {
        "videos": [{"id": 1, "file_names": files, "width": 64, "height": 48, "length": 4}],
        "annotations": [{"id": 3, "video_id": 1, "category_id": 2, "bboxes": boxes, "segmentations": [None] * 4}],
        "categories": [{"id": 2, "name": "dog"}],
    }


@pytest.mark.parametrize("content", [coco_vid(), youtube_vis()])
@pytest.mark.parametrize("place", ["boxes.json", "annotations/instances.json"])
def test_boxes_of_all_videos_may_come_in_one_file(tmp_path, content, place):
    write_frames(tmp_path / "JPEGImages" / "walk", 4)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text(json.dumps(content))
    clip = FolderClips(tmp_path, size=16, num_frames=4)[0]
    assert clip.phrases == ("dog",) and clip.mask[:, 0].tolist() == [True, False, True, True]
    assert np.allclose(clip.boxes_xyxy[0, 0], [0.25, 0.25, 0.75, 0.75])


def test_a_damaged_video_is_reported_and_the_others_are_read(tmp_path):
    for name in "abcdef":
        write_video(numbered_frames(8), tmp_path / f"{name}.mp4", 8, {})
        (tmp_path / f"{name}.txt").write_text(name)
    content = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(content[: len(content) // 2])
    (tmp_path / "c.txt").unlink()
    write_video(numbered_frames(3), tmp_path / "d.mp4", 8, {})
    (tmp_path / "e.txt").write_bytes(b"\xff\xfe caption")
    (tmp_path / "f.mp4").write_bytes(b"")
    damaged = []
    clips = FolderClips(tmp_path, size=16, num_frames=8)
    assert [clip.caption for clip in stream(clips, report=damaged.append)] == ["a"]
    assert [error.path[-5:] for error in damaged] == ["b.mp4", "c.mp4", "d.mp4", "e.txt", "f.mp4"]
    reasons = [error.reason for error in damaged]
    assert "no caption; write one to c.txt or captions.json" in reasons[1]
    assert reasons[2] == "has 3 frames, expected 8 or more" and "not UTF-8" in reasons[3]


def test_the_clips_are_the_same_for_any_number_of_workers(tmp_path):
    for name in "abc":
        write_frames(tmp_path / name, 12)
        (tmp_path / f"{name}.txt").write_text(name)
    (tmp_path / "b" / "5.png").write_bytes(b"no picture")
    clips = FolderClips(tmp_path, size=16, num_frames=4, passes=4)
    order = [7, 3, 1, 4, 10, 0, 2, 8]
    runs = [list(read_all(clips, order, workers=workers)) for workers in (0, 1, 2)]
    for run in runs[1:]:
        for (index, clip), (expected_index, expected) in zip(run, runs[0], strict=True):
            assert index == expected_index and type(clip) is type(expected)
            if isinstance(clip, SampleError):
                assert str(clip) == str(expected)
            else:
                assert np.array_equal(clip.frames, expected.frames) and clip.caption == expected.caption
    assert any(isinstance(clip, SampleError) for _, clip in runs[0])
    other = FolderClips(tmp_path, size=16, num_frames=4, passes=4, seed=34)
    assert any(not np.array_equal(clips[3 * n].frames, other[3 * n].frames) for n in range(4))


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match="holds no videos and no folders of images"):
        FolderClips(tmp_path)
    with pytest.raises(DatasetError, match="does not exist"):
        FolderClips(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["../x.png", "/etc/passwd", "a/../../x", "..\\x", "C:/x", "", "a\0b", None, 3])
def test_file_names_in_annotations_stay_in_the_dataset(tmp_path, name):
    with pytest.raises(SampleError, match="leads out of the dataset|instead of a file name"):
        inside(tmp_path, name)
    assert inside(tmp_path, "a/b.png") == tmp_path / "a" / "b.png"


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    write_frames(folder / "walk", 4)
    return folder


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mutated(draw, content):
    """Valid annotations of which one value is anything, or is missing."""
    content = json.loads(json.dumps(content))
    place = content
    for _ in range(draw(st.integers(1, 4))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], (dict, list)) and draw(st.booleans()):
            place = place[key]
            continue
        place[key] = draw(JSON)
        break
    return json.dumps(content)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | JSON.map(json.dumps) | mutated(coco_vid()) | mutated(youtube_vis()))
@pytest.mark.parametrize(
    "name",
    [
        "boxes.json",
        "walk.csv",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("captions.json", "walk.json", "walk.txt", "walk.mot.txt")
        ),
    ],
)
def test_arbitrary_annotations_give_a_clip_or_a_clear_error(walk, name, text):
    path = walk / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        list(stream(FolderClips(walk, size=8, num_frames=4, phrase="dog"), report=lambda error: str(error).encode()))
    except DatasetError as error:
        assert name in str(error)
    finally:
        path.unlink()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(st.floats() | st.integers(-2, 5), min_size=5, max_size=11), max_size=4))
def test_arbitrary_mot_rows_give_a_clip_or_a_reported_skip(walk, rows):
    path = walk / "walk.mot.txt"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    try:
        for clip in stream(FolderClips(walk, size=8, num_frames=4, phrase="dog"), report=lambda error: None):
            assert np.isfinite(clip.boxes_xyxy).all() and (clip.boxes_xyxy >= 0).all() and (clip.boxes_xyxy <= 1).all()
    finally:
        path.unlink()


def test_a_video_that_claims_an_absurd_size_is_damaged_and_a_full_memory_is_not(tmp_path):
    from av.error import MemoryError as CannotAllocate

    with pytest.raises(SampleError, match="Cannot allocate memory"), reading(tmp_path / "walk.mp4"):
        raise CannotAllocate(12, "Cannot allocate memory")
    with pytest.raises(MemoryError), reading(tmp_path / "walk.mp4"):
        raise MemoryError


def test_a_video_of_an_unknown_codec_is_reported(tmp_path):
    """It ended Python with av 17, which is the last for Python 3.10."""
    path = tmp_path / "walk.mp4"
    write_video(numbered_frames(5), path, 8, {})
    path.write_bytes(path.read_bytes().replace(b"avc1", b"what"))
    with pytest.raises(SampleError, match="FFmpeg does not know|Decoder not found"):
        VideoFile(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), place=st.integers(0, 2000))
@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".jpg"])
def test_damaged_pictures_and_videos_are_reported(tmp_path, suffix, data, place):
    path = tmp_path / f"walk{suffix}"
    if suffix == ".jpg":
        Image.fromarray(numbered_frames(5)[4]).save(path)
    else:
        write_video(numbered_frames(5), path, 8, {})
    content = path.read_bytes()
    path.write_bytes(content[:place] + data + content[place + len(data) :])
    try:
        video = FrameFolder(tmp_path) if suffix == ".jpg" else VideoFile(path)
        video.read(range(video.length), (8, 8))
    except SampleError as error:
        assert path.name in error.path
