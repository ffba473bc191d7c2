"""Pictures that move with their boxes."""

import numpy as np
import pytest
import torch

from smcd_core.errors import SMCDError
from smcd_core.guides.cut_and_drag import cut_and_drag, cut_shapes, latent_mask, resized, told
from smcd_core.guides.fill import filled
from smcd_core.guides.fit import fit
from smcd_core.trajectory.document import parse_trajectory

W, H = 96, 64
RED, GREEN, BLUE, GREY = ([1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0.5, 0.5, 0.5])


def boxes(*objects, frames=9, size=(W, H)):
    """Each object is a list of keys (frame, box in pixels, visible)."""
    width, height = size
    parts = [
        {
            "phrase": f"{n}",
            "keys": [
                {"frame": f, "box": [x1 / width, y1 / height, x2 / width, y2 / height], "visible": visible}
                for f, (x1, y1, x2, y2), visible in keys
            ],
        }
        for n, keys in enumerate(objects)
    ]
    document = {"version": 1, "width": width, "height": height, "frames": frames, "objects": parts}
    return fit(parse_trajectory(document), *size, frames)


def picture(*patches):
    """Grey, with patches (x1, y1, x2, y2, colour)."""
    image = torch.tensor(GREY).repeat(H, W, 1)
    for x1, y1, x2, y2, color in patches:
        image[y1:y2, x1:x2] = torch.tensor(color)
    return image


def to(start, end, last=8):
    return [(0, start, True), (last, end, True)]


def test_what_is_in_a_box_moves_with_it():
    image = picture((8, 8, 24, 24, RED))
    dragged = cut_and_drag(image, boxes(to((8, 8, 24, 24), (72, 40, 88, 56))), feather=0)
    assert dragged.video.shape == (9, H, W, 3) and dragged.mask.shape == (9, H, W)
    assert torch.equal(dragged.video[0], image)
    for f in range(1, 9):
        expected = picture((8 + 8 * f, 8 + 4 * f, 24 + 8 * f, 24 + 4 * f, RED))
        assert torch.allclose(dragged.video[f], expected, atol=1e-5), f
        assert torch.equal(dragged.mask[f] > 0.5, (expected[..., 0] > 0.9))


def test_it_moves_by_parts_of_a_pixel():
    image = picture((8, 8, 24, 24, RED))
    video = cut_and_drag(image, boxes(to((8, 8, 24, 24), (8.5, 8, 24.5, 24))), feather=0).video
    assert video[8, 16, 8, 0].item() == pytest.approx(0.75, abs=1e-4) and video[8, 16, 24, 0] == pytest.approx(
        0.75, abs=1e-4
    )


def test_it_scales_in_each_direction_with_its_box():
    image = picture((8, 8, 24, 24, RED), (8, 8, 16, 24, BLUE))
    video = cut_and_drag(image, boxes(to((8, 8, 24, 24), (8, 8, 72, 40))), feather=0).video
    assert torch.allclose(video[8, 10:38, 10:38], torch.tensor(BLUE).expand(28, 28, 3), atol=1e-5)
    assert torch.allclose(video[8, 10:38, 42:70], torch.tensor(RED).expand(28, 28, 3), atol=1e-5)


def test_a_fine_pattern_is_averaged_where_it_becomes_small():
    image = picture()
    image[0:64:2, 0:64] = 1.0  # lines of one pixel, grey and white
    video = cut_and_drag(image, boxes(to((0, 0, 64, 64), (40, 20, 48, 28))), feather=0).video
    assert (video[8, 22:26, 42:46] - 0.75).abs().max() < 0.02


def test_an_object_in_its_place_is_the_picture_to_the_bit():
    torch.manual_seed(0)
    image = torch.rand(H, W, 3)
    still = [(0, (10.3, 5.7, 50.2, 40.1), True)]
    mask = (torch.rand(1, H, W) > 0.3).float()
    moving = to((40, 20, 80, 60), (0, 0, 40, 40))
    for masks in (None, mask):
        video = cut_and_drag(image, boxes(still, moving), masks).video
        assert torch.equal(video[0], image)
    assert torch.equal(cut_and_drag(image, boxes(still)).video, image.expand(9, H, W, 3))


def test_later_objects_are_in_front():
    image = picture((8, 8, 24, 24, RED), (64, 8, 80, 24, GREEN))
    red, green = to((8, 8, 24, 24), (36, 8, 52, 24)), to((64, 8, 80, 24), (36, 8, 52, 24))
    assert cut_and_drag(image, boxes(red, green)).video[8, 16, 44].tolist() == pytest.approx(GREEN, abs=1e-5)
    assert cut_and_drag(image, boxes(green, red)).video[8, 16, 44].tolist() == pytest.approx(RED, abs=1e-5)


def test_what_stood_in_front_does_not_move_along():
    image = picture((8, 8, 40, 40, RED), (32, 16, 56, 32, GREEN))
    red, green = to((8, 8, 40, 40), (56, 24, 88, 56)), [(0, (32, 16, 56, 32), True)]
    video = cut_and_drag(image, boxes(red, green)).video
    assert video[8, 40, 84].tolist() == pytest.approx(RED, abs=0.01)  # where green was in the box of red


def test_hidden_objects_are_not_drawn_and_leave_their_hole():
    image = picture((8, 8, 24, 24, RED))
    keys = [(0, (8, 8, 24, 24), True), (3, (8, 8, 24, 24), False), (6, (60, 8, 76, 24), True)]
    dragged = cut_and_drag(image, boxes(keys), feather=0)
    assert dragged.mask.amax((1, 2)).tolist() == [1, 1, 1, 0, 0, 0, 1, 1, 1]
    assert torch.allclose(dragged.video[4], picture(), atol=1e-5)


def test_an_object_is_cut_out_at_its_first_visible_frame():
    image = picture((8, 8, 24, 24, RED), (40, 8, 56, 24, GREEN))
    late = [(0, (8, 8, 24, 24), False), (4, (40, 8, 56, 24), True), (8, (40, 40, 56, 56), True)]
    dragged = cut_and_drag(image, boxes(late), feather=0)
    assert torch.allclose(dragged.video[8], picture((8, 8, 24, 24, RED), (40, 40, 56, 56, GREEN)), atol=1e-5)
    assert torch.allclose(dragged.video[0], picture((8, 8, 24, 24, RED)), atol=1e-5)
    (line,) = told(boxes(late))
    assert line.endswith("is hidden up to frame 3: what its box holds in frame 4 is taken out of the image until then")


def test_an_object_may_leave_the_frame_and_one_outside_is_left_out():
    image = picture((8, 8, 24, 24, RED))
    leaving, outside = to((8, 8, 24, 24), (-40, 8, -24, 24)), to((100, 8, 120, 20), (8, 8, 28, 20))
    dragged = cut_and_drag(image, boxes(leaving, outside))
    assert dragged.mask[8].max() == 0
    (line,) = told(boxes(leaving, outside))
    assert line.startswith("object 2 (") and line.endswith(
        "is not taken along: its box is outside the image in frame 0, where it first appears. Start the box on the "
        "object"
    )
    assert torch.allclose(dragged.video[8], picture(), atol=1e-5)


def test_a_mask_cuts_along_the_object_and_takes_no_background_with_it():
    image = picture((8, 8, 24, 24, RED))
    mask = (image[..., 0] > 0.9).float()
    loose = to((2, 2, 34, 34), (58, 26, 90, 58))
    for masks in (mask[None], torch.stack([mask, mask])[:1]):
        dragged = cut_and_drag(image, boxes(loose), masks, feather=2)
        assert torch.equal(dragged.mask[8] > 0.6, (picture((65, 33, 79, 47, RED))[..., 0] > 0.9))
        seen = dragged.video[8, 32:48, 64:80]  # no halo: between red and grey there is nothing else
        assert ((seen[..., 1] - seen[..., 2]).abs() < 1e-5).all() and (seen[..., 0] >= 0.5 - 1e-5).all()
        assert (dragged.video[8, 4:28, 4:28] - 0.5).abs().max() < 1e-4  # nor a ghost where it was


def test_one_mask_serves_all_objects_within_their_boxes():
    image = picture((8, 8, 24, 24, RED), (40, 8, 56, 24, GREEN))
    mask = (image.max(-1).values > 0.9).float()[None]
    red, green = to((6, 6, 26, 26), (6, 36, 26, 56)), to((38, 6, 58, 26), (70, 36, 90, 56))
    video = cut_and_drag(image, boxes(red, green), mask, feather=0).video
    assert torch.allclose(video[8], picture((8, 38, 24, 54, RED), (72, 38, 88, 54, GREEN)), atol=1e-5)
    each = torch.stack([mask[0] * (image[..., 0] > 0.9), mask[0] * (image[..., 1] > 0.9)])
    assert torch.allclose(cut_and_drag(image, boxes(red, green), each, feather=0).video, video, atol=1e-5)


def test_edges_fade_but_not_towards_the_border_of_the_picture():
    image = torch.ones(H, W, 3)
    mask = cut_and_drag(image, boxes(to((0, 16, 32, 48), (0, 17, 32, 49))), feather=4).mask[8]
    assert mask[33, 28:34].tolist() == pytest.approx([1, 0.75, 0.5, 0.25, 0, 0], abs=1e-4)
    assert mask[33, 0] == pytest.approx(1, abs=1e-4)


def test_a_background_replaces_the_hole():
    image = picture((8, 8, 24, 24, RED))
    background = torch.rand(H, W, 3)
    dragged = cut_and_drag(image, boxes(to((8, 8, 24, 24), (72, 40, 88, 56))), background=background)
    assert torch.equal(dragged.video[8][dragged.mask[8] == 0], background[dragged.mask[8] == 0])


def test_shapes_for_the_page_are_those_that_are_cut_out():
    mask = torch.zeros(H, W)
    mask[10:30, 40:] = 1  # up to the border of the picture
    alpha, box = cut_shapes(mask, feather=2)
    assert box == [36 / W, 6 / H, 1, 34 / H]  # 3 pixels of rim, and one of nothing
    shape, hole = alpha.chunk(2)
    dragged = cut_and_drag(picture(), boxes([(0, (40, 10, 96, 30), True)] * 1, frames=1), mask[None], feather=2)
    assert torch.equal(hole, dragged.mask[0, 6:34, 36:])
    assert (
        shape[14].tolist()[3:7] == [0, 0.5, 1, 1] and shape[14, -1] == 1 and shape[4, 30] == 0.5 and shape[3, 30] == 0
    )


def test_latent_masks_take_frames_0_1_5_9_and_one_pixel_of_each_cell():
    mask = torch.zeros(9, 16, 24)
    mask[0, 0, 0], mask[5, 8, 16] = 1, 0.6
    mask[4] = 1
    latent = latent_mask(mask)
    assert latent.shape == (3, 2, 3)
    assert (
        latent[0].tolist() == [[0, 1, 1], [1, 1, 1]]
        and latent[1].all()
        and latent[2].tolist() == [[1, 1, 1], [1, 1, 0]]
    )
    assert [len(latent_mask(torch.zeros(frames, 8, 8))) for frames in (1, 4, 5, 80, 81)] == [1, 1, 2, 20, 21]


def test_a_hole_is_a_smooth_surface_between_what_is_around_it():
    ramp = torch.linspace(0, 1, W).repeat(3, H, 1)
    hole = torch.zeros(H, W, dtype=torch.bool)
    hole[16:48, 24:72] = True
    full = filled(ramp, hole)
    assert torch.equal(full[:, ~hole], ramp[:, ~hole])
    assert (full - ramp).abs().max() < 0.1
    assert (full[:, :, 1:] - full[:, :, :-1]).abs().max() < 0.08  # no edges
    assert torch.equal(filled(ramp, torch.ones_like(hole)), ramp) and torch.equal(filled(ramp, hole & False), ramp)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 17), (97, 64)])
def test_holes_of_odd_sizes_are_filled(size):
    image = torch.full((3, *size), 0.25)
    hole = torch.rand(size) > 0.3
    hole.view(-1)[0] = False
    assert torch.allclose(filled(torch.where(hole, 9.0, image), hole), image, atol=1e-5)


def test_an_image_is_cropped_or_stretched_as_the_boxes_are():
    image = torch.zeros(40, 80, 3)
    image[:, 40:] = 1
    for crop in (True, False):
        small = resized(image, 16, 16, crop)
        assert small.shape == (16, 16, 3) and small[:, :7].max() < 0.01 and small[:, 9:].min() > 0.99
    assert resized(torch.rand(8, 8, 1), 96, 64).shape == (64, 96, 1)  # smaller than the target


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(masks=torch.ones(3, H, W)), "3 masks for 2 objects: give one for all, or one for each"),
        (dict(masks=torch.zeros(1, H, W)), r"in the box of object 1 \(0\) is empty"),
        (dict(masks=torch.stack([torch.ones(H, W), torch.zeros(H, W)])), r"of object 2 \(1\) is empty"),
        (dict(feather=65), "feather is 65, expected 0 to 64"),
    ],
)
def test_bad_input_is_refused_with_what_was_found(given, message):
    with pytest.raises(SMCDError, match=message):
        cut_and_drag(picture(), boxes([(0, (8, 8, 24, 24), True)], [(0, (30, 8, 50, 24), True)]), **given)


@pytest.mark.parametrize("keys", [[(0, (8, 8, 24, 24), False)], [(0, (-40, 8, -20, 24), True)]])
def test_nothing_to_cut_out_is_refused(keys):
    with pytest.raises(SMCDError, match="nothing to cut out"):
        cut_and_drag(picture(), boxes(keys))
    with pytest.raises(SMCDError, match="nothing to cut out"):
        cut_and_drag(picture(), boxes())


def test_more_frames_than_memory_are_refused_before_they_are_made():
    long = boxes([(0, (8, 8, 24, 24), True)], frames=4096, size=(832, 480))
    with pytest.raises(SMCDError, match="4096 frames of 832 x 480 pixels are too many: make 1344 at most"):
        cut_and_drag(torch.zeros(480, 832, 3), long)
    assert len(cut_and_drag(picture(), boxes([(0, (8, 8, 24, 24), True)], frames=4096)).video) == 4096


def test_a_box_that_grows_out_of_all_bounds_fills_the_frame():
    image = picture((8, 8, 24, 24, RED))
    video = cut_and_drag(image, boxes(to((8, 8, 24, 24), (-800, -700, 900, 800)))).video
    assert np.allclose(video[8], torch.tensor(RED).expand(H, W, 3), atol=1e-5)
