"""In the real ComfyUI: what its nodes for Wan receive from ours, with a VAE that takes means."""

import json

import host
import pytest
import torch

comfy_host = host.start()

import comfy.utils  # noqa: E402  once the host is there
from comfy_api.latest import io  # noqa: E402
from comfy_extras import nodes_wan, nodes_wanmove  # noqa: E402

from smcd_core.guides.fit import crop_of, fit, pixels  # noqa: E402
from smcd_core.guides.tracks import ati_index  # noqa: E402
from smcd_core.trajectory.document import parse_trajectory  # noqa: E402

PICTURE = (320, 240)
# One grows on its way, one leaves the frame, one hides in frames 3 to 5 of 9, one comes later.
OBJECTS = [
    {"phrase": "cat", "keys": [{"frame": 0, "box": [0.2, 0.3, 0.4, 0.5]}, {"frame": 8, "box": [0.5, 0.45, 0.8, 0.75]}]},
    {"phrase": "dog", "keys": [{"frame": 0, "box": [0.7, 0.2, 0.85, 0.4]}, {"frame": 8, "box": [1.1, 0.2, 1.3, 0.4]}]},
    {
        "phrase": "owl",
        "keys": [
            {"frame": 0, "box": [0.2, 0.6, 0.3, 0.8]},
            {"frame": 3, "box": [0.25, 0.6, 0.35, 0.8], "visible": False},
            {"frame": 6, "box": [0.3, 0.6, 0.4, 0.8]},
        ],
    },
    {
        "phrase": "fox",
        "keys": [
            {"frame": 0, "box": [0.4, 0.1, 0.5, 0.2], "visible": False},
            {"frame": 4, "box": [0.4, 0.1, 0.5, 0.2]},
        ],
    },
]
DOCUMENT = {"version": 1, "width": PICTURE[0], "height": PICTURE[1], "frames": 9, "objects": OBJECTS}
SIZES = [(832, 480), (240, 416), (320, 320)]
LENGTHS = [17, 49, 81]


class MeanVAE:
    """Wan's shapes: frame 0 alone, then four at a time, 8 x 8 pixels; each latent the mean, in 16 channels."""

    @staticmethod
    def encode(images):
        frames = images.movedim(-1, 1)  # [F, 3, H, W]
        small = torch.nn.functional.avg_pool2d(frames, 8)
        groups = [small[:1].mean(0), *(part.mean(0) for part in small[1:].split(4))]
        latent = torch.zeros(1, 16, len(groups), *small.shape[2:])
        latent[0, :3] = torch.stack(groups, 1)
        return latent


def ramps(width, height):
    """An image whose red and green say where in it a pixel is."""
    x = (torch.arange(width) + 0.5) / width
    y = (torch.arange(height) + 0.5) / height
    image = torch.zeros(1, height, width, 3)
    image[..., 0], image[..., 1], image[..., 2] = x, y[:, None], 1
    return image


def received(node, width, height, length, **given):
    """The latent of the start image [16, T, h, w] that a node of Wan puts in the conditioning, and its mask."""
    prompt = [[torch.zeros(1, 1, 8), {}]]
    rest = dict(batch_size=1, start_image=ramps(*PICTURE))
    with torch.inference_mode():
        output = node.execute(prompt, prompt, MeanVAE(), width=width, height=height, length=length, **rest, **given)
    values = output.result[0][0][1]
    return values["concat_latent_image"][0], values["concat_mask"][0]


def tracks_of(width, height, length, document=DOCUMENT, points=1, **given):
    given = dict(fit="crop", points=points, anchors=0) | given
    return host.call("SMCD_Tracks", trajectory=document, width=width, height=height, length=length, **given)


@pytest.mark.parametrize("size", [(832, 480), (480, 832), (333, 111), (320, 240)])
@pytest.mark.parametrize("picture", [(320, 240), (1023, 767), (101, 480)])
def test_the_crop_is_the_hosts(picture, size):
    image = ramps(*picture).movedim(-1, 1)
    left, top, width, height = crop_of(*picture, *size)
    ours = torch.nn.functional.interpolate(
        image[:, :, top : top + height, left : left + width], (size[1], size[0]), mode="bilinear"
    )
    assert torch.equal(ours, comfy.utils.common_upscale(image, *size, "bilinear", "center"))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("size", SIZES)
def test_wan_move_finds_each_object_in_the_cell_of_its_box(size, length):
    """In the cell of the middle of a box is what was in the middle of the box of frame 0, by the ramps."""
    width, height = size
    latent, _ = received(
        nodes_wanmove.WanMoveTrackToVideo, *size, length, strength=1.0, tracks=tracks_of(*size, length)[0]
    )
    plain, _ = received(nodes_wanmove.WanMoveTrackToVideo, *size, length, strength=1.0)
    boxes = fit(parse_trajectory(DOCUMENT), *size, length)
    middles = (pixels(boxes)[..., :2] + pixels(boxes)[..., 2:]) / 2
    expected = plain.clone()
    for t in range(1, latent.shape[1]):
        for n in range(3):  # the last object is hidden in frame 0
            x, y = middles[4 * t, n]
            x0, y0 = middles[0, n]
            starts_inside = 0 <= x0 < width and 0 <= y0 < height
            if starts_inside and boxes.mask[4 * t, n] and 0 <= x < width and 0 <= y < height:
                expected[:, t, int(y // 8), int(x // 8)] = plain[:, 0, int(y0 // 8), int(x0 // 8)]
    assert (expected != plain).any() and torch.equal(latent, expected)
    x0, y0 = (0.3, 0.4)  # the cat, as fractions of the whole image
    x, y = (middles[-1, 0] // 8).astype(int)
    cell = latent[:2, -1, y, x]
    assert (cell - torch.tensor([x0, y0])).abs().max() < 8 / min(size)


def test_a_point_that_is_hidden_in_frame_0_is_never_handed_over():
    tracks, coordinates, ati, report = tracks_of(832, 480, 81, points=4)
    path, visible = tracks["track_path"], tracks["track_visibility"]
    assert path.shape[0] == 81 and visible[0].all()
    assert (path[0] >= 0).all() and (path[0] < torch.tensor([832, 480])).all()
    assert "object 4 of 4 (fox) is left out: in frame 0 it is hidden" in report
    assert len(json.loads(coordinates)) == len(json.loads(ati)) == path.shape[1]


def test_a_later_object_covers_an_earlier_one():
    rest = {"phrase": "wall", "keys": [{"frame": 0, "box": [0.55, 0.3, 0.7, 0.9]}]}
    document = DOCUMENT | {"objects": [OBJECTS[0], rest]}
    tracks, *_ = tracks_of(832, 480, 81, document, points=6)
    boxes = fit(parse_trajectory(document), 832, 480, 81)
    x1, y1, x2, y2 = pixels(boxes)[0, 1]
    path, visible = (tracks[f"track_{name}"][:, :36] for name in ("path", "visibility"))
    inside = (path[..., 0] >= x1) & (path[..., 0] < x2) & (path[..., 1] >= y1) & (path[..., 1] < y2)
    assert inside.any() and not (inside & visible).any() and (visible[-1] == ~inside[-1]).all()


def test_wan_move_gives_the_same_result_every_time():
    """It shuffles its points, and where two meet in a cell, the last one wins."""
    meeting = {
        "phrase": "ant",
        "keys": [{"frame": 0, "box": [0.1, 0.1, 0.9, 0.9]}, {"frame": 8, "box": [0.4, 0.4, 0.5, 0.5]}],
    }
    tracks, *_ = tracks_of(320, 320, 17, DOCUMENT | {"objects": [meeting, OBJECTS[0]]}, points=12)
    assert not tracks["track_visibility"].all()
    node = nodes_wanmove.WanMoveTrackToVideo
    first, *others = (received(node, 320, 320, 17, strength=1.0, tracks=tracks)[0] for _ in range(4))
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("length", range(5, 118, 4))
def test_ati_reads_the_point_of_each_frame(length):
    points = torch.arange(121.0).view(1, 121, 1, 1).expand(1, 121, 1, 3).clone()
    points[..., 2] = 1
    read = nodes_wan.process_tracks(points.numpy(), (2, 2), length - 1)[:, 0, 1] + 1
    assert read.round().int().tolist() == ati_index(length).tolist()
    assert len(set(ati_index(length))) == length


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("size", SIZES)
def test_ati_spreads_each_object_around_the_middle_of_its_box(size, length):
    """Its weights are those of the mean middles of each four frames, and 0 for a hidden object."""
    width, height = size
    ati = tracks_of(*size, length)[2]
    latent, mask = received(nodes_wan.WanTrackToVideo, *size, length, tracks=ati, temperature=220.0, topk=2)
    weight = 1 - mask[0]
    boxes = fit(parse_trajectory(DOCUMENT), *size, length)
    middles = torch.from_numpy((pixels(boxes)[..., :2] + pixels(boxes)[..., 2:]) / 2)
    seen = torch.from_numpy(boxes.mask)
    expected = torch.zeros_like(weight)
    expected[0] = 1
    half = min(size) / 2
    # From border to border in half short sides, as the node has its cells.
    gx, gy = (torch.linspace(-1, 1, side // 8) * (side // 8) / (min(size) // 8) for side in size)
    for t in range(1, len(weight)):
        found = []
        for n in range(3):
            x0, y0 = middles[0, n]
            frames = slice(4 * t - 3, 4 * t + 1)
            if not (0 <= x0 < width and 0 <= y0 < height and seen[frames, n].any()):
                continue
            x, y = middles[frames, n][seen[frames, n]].mean(0)
            d2 = (gx - (x - width / 2) / half) ** 2 + ((gy - (y - height / 2) / half) ** 2)[:, None]
            found.append(torch.exp(-220 * d2))
        if found:
            expected[t] = torch.stack(found).topk(min(2, len(found)), 0).values.sum(0)
    assert (weight[1:].amax((1, 2)) > 0.5).any() and torch.allclose(weight, expected.float(), atol=2e-3)


@pytest.mark.parametrize("length", [121, 241])
def test_lengths_that_ati_cannot_make_are_refused_only_there(length):
    tracks, coordinates, ati, report = tracks_of(320, 320, length)
    assert len(tracks["track_path"]) == length and "loses one; use" in ati.message and ati.message in report
    with pytest.raises(RuntimeError, match="invalid for input of size"):  # the host's own
        points = json.dumps([[{"x": 1, "y": 1}] * 121])
        received(nodes_wan.WanTrackToVideo, 320, 320, length, tracks=points, temperature=220.0, topk=2)


def test_anchors_do_not_move():
    path = tracks_of(320, 320, 17, anchors=8)[0]["track_path"]
    still = (path == path[:1]).all((0, 2))
    assert 10 < still.sum() < 64 and (path[0, still] % 20 == 0).all()


def test_an_image_of_another_shape_decides_what_is_cropped():
    wide = torch.zeros(1, 100, 400, 3)
    document = DOCUMENT | {"objects": [{"phrase": "cat", "keys": [{"frame": 0, "box": [0.4, 0.4, 0.6, 0.6]}]}]}
    places = [
        tracks_of(320, 320, 17, document, points=2, **given)[0]["track_path"][0, 0].tolist()
        for given in ({}, {"image": wide}, {"fit": "stretch"})
    ]
    assert places == [pytest.approx([138.67, 144.0]), [96.0, 144.0], [144.0, 144.0]]


def test_boxes_in_pixels_are_those_of_the_target_or_the_image():
    box = {"x": 80, "y": 80, "width": 80, "height": 80}
    path, *_ = tracks_of(320, 320, 17, box)
    assert path["track_path"].shape == (17, 1, 2) and path["track_path"][0, 0].tolist() == [120, 120]
    path, *_ = tracks_of(320, 320, 17, box, image=torch.zeros(1, 640, 640, 3))
    assert path["track_path"][0, 0].tolist() == [60, 60]


@pytest.mark.parametrize("objects, message", [([], "draw a box or enable one"), ([OBJECTS[3]], "it is hidden")])
def test_nothing_to_move_is_refused(objects, message):
    with pytest.raises(ValueError, match=f"no object is visible and inside the frame in frame 0.*{message}"):
        tracks_of(320, 320, 17, DOCUMENT | {"objects": objects})


def test_4096_frames_and_no_more():
    tracks, *_ = tracks_of(64, 64, 4096, points=1)
    assert tracks["track_path"].shape[0] == 4096
    with pytest.raises(Exception, match="length is 4097: give a whole number from 1 to 4096"):
        tracks_of(64, 64, 4097, points=1)


def test_a_length_and_size_off_the_grid_are_reported():
    report = tracks_of(328, 320, 16)[3].splitlines()
    assert report[-2:] == [
        "length is 16: Wan makes 4n + 1 frames, the nearest is 17",
        "width is 328: Wan takes multiples of 16, the nearest is 320",
    ]


# Export ---------------------------------------------------------------------------------------------------------------


def run_in(prompt, kind, /, **inputs):
    """The outputs of node 1 of a prompt, of a kind of ours."""
    prompt = {"1": {"class_type": kind, "inputs": {}}} | prompt
    node = comfy_host.nodes.NODE_CLASS_MAPPINGS[kind]
    node.GET_SCHEMA()
    clone = node.PREPARE_CLASS_CLONE({"hidden_inputs": {io.Hidden.unique_id: "1", io.Hidden.prompt: prompt}})
    return clone.execute(**inputs).result


def export(reader=None):
    """The outputs of SMCD Export, in a prompt where another node reads its tracks."""
    given = dict(trajectory=DOCUMENT, format="none", filename_prefix="x")
    return run_in({"2": reader} if reader else {}, "SMCD_Export", **given)


def reader(kind="WanMoveTrackToVideo", **inputs):
    return {"class_type": kind, "inputs": {"tracks": ["1", 3], "width": 320, "height": 240, "length": 9} | inputs}


def test_exported_points_start_visible_and_inside():
    _, coordinates, boxes, tracks = export(reader())
    assert tracks["track_path"].shape == (9, 3, 2) and tracks["track_visibility"][0].all() and len(boxes) == 9
    assert len(json.loads(coordinates)) == 3
    with torch.inference_mode():
        pixels_of_own = received(nodes_wanmove.WanMoveTrackToVideo, 320, 240, 9, strength=1.0, tracks=tracks)
    assert pixels_of_own[0].shape == (16, 3, 30, 40)


@pytest.mark.parametrize("wrong", [{"width": 832}, {"height": 480}, {"length": 81}, {"tracks": ["1", 1], "length": 81}])
def test_a_video_of_another_size_or_length_is_told_to_use_smcd_tracks(wrong):
    with pytest.raises(ValueError, match="WanMoveTrackToVideo makes a video of .* give it those of SMCD Tracks"):
        export(reader(**wrong))
    export(reader(tracks=["0", 3], **{"length": 81}))
    export(reader("WanMoveVisualizeTracks", width=["5", 0], height=["5", 1], length=["5", 2]))


@pytest.mark.parametrize("kind", ["SMCD_Tracks", "SMCD_Export"])
def test_points_for_each_frame_are_refused_where_121_are_read(kind):
    """WanTrackToVideo fills up what is missing with zeros."""
    size = dict(width=320, height=240, length=9)
    given = {
        "SMCD_Tracks": dict(trajectory=DOCUMENT, **size, fit="crop", points=0, anchors=0),
        "SMCD_Export": dict(trajectory=DOCUMENT, format="none", filename_prefix="x"),
    }[kind]
    with pytest.raises(ValueError, match="WanTrackToVideo reads 121 points .* give it coordinates_121 of SMCD Tracks"):
        run_in({"2": reader("WanTrackToVideo", tracks=["1", 1], **size)}, kind, **given)


@pytest.mark.parametrize(
    ("wrong", "made"),
    [
        ({"width": 832}, "width 832, height 240, length 9"),
        ({"height": ["3", 0]}, "width 320, height 480, length 9"),
        ({"tracks": ["1", 2], "length": 81}, "width 320, height 240, length 81"),
    ],
)
def test_points_for_a_video_of_another_size_or_length_are_refused(wrong, made):
    """Its numbers may come from primitives, as in the workflows."""
    given = dict(trajectory=DOCUMENT, width=320, height=240, length=9, fit="crop", points=0, anchors=0)
    number = {"class_type": "PrimitiveInt", "inputs": {"value": 480}}
    size = {"class_type": "GetImageSize", "inputs": {"image": ["5", 0]}}  # known once it has run
    run_in({"2": reader(tracks=["1", 0])}, "SMCD_Tracks", **given)
    run_in({"2": reader(tracks=["1", 0], width=["4", 0]), "4": size}, "SMCD_Tracks", **given)
    with pytest.raises(ValueError, match=f"WanMoveTrackToVideo makes a video of {made}, .* give both the same numbers"):
        run_in({"2": reader(**{"tracks": ["1", 0]} | wrong), "3": number}, "SMCD_Tracks", **given)
