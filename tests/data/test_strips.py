import numpy as np
import pytest
from PIL import Image

from ganzoo.data.render import save_gif
from ganzoo.data.strips import columns_for, durations, evenly, strip
from ganzoo.errors import OutputError


def plain(colour, size=(40, 30), mode="RGB"):
    return Image.new(mode, size, colour)


@pytest.mark.parametrize(
    ("count", "most", "chosen"),
    [(0, 6, []), (1, 6, [0]), (6, 6, [0, 1, 2, 3, 4, 5]), (11, 6, [0, 2, 4, 6, 8, 10]), (7, 3, [0, 3, 6])],
)
def test_pictures_are_chosen_evenly_with_the_first_and_last(count, most, chosen):
    assert evenly(count, most) == chosen


@pytest.mark.parametrize(
    ("count", "width", "columns"), [(6, 466, 6), (6, 582, 3), (6, 778, 3), (6, 1600, 1), (2, 466, 2), (4, 778, 3)]
)
def test_wide_pictures_stand_in_more_rows(count, width, columns):
    assert columns_for(count, width, 1160) == columns


def test_plots_stay_large_enough_to_read_their_text():
    assert columns_for(6, 454, 1160, has_text=True) == 3
    heights = [strip([(plain(colour, (454, 460)), "x")] * 6, 1160).height for colour in ("black", "white")]
    assert heights == [185 * 460 // 454 + 22, 2 * (380 * 460 // 454 + 22) + 10]


def test_a_strip_shows_each_picture_in_order():
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    pixels = np.asarray(strip([(plain(colour, (300, 300)), "x") for colour in colours], 920))
    assert [tuple(pixels[150, place]) for place in (150, 460, 770)] == colours
    assert len(pixels) == 300 + 22


def test_transparent_pictures_stand_on_white():
    assert np.asarray(strip([(plain((0, 0, 0, 0), (90, 90), "RGBA"), "x")], 300))[45, 50].tolist() == [255] * 3


@pytest.mark.parametrize(("count", "each"), [(1, []), (5, [600] * 4), (11, [550] * 10), (120, [50] * 119)])
def test_the_last_frame_stays(count, each):
    assert durations(count) == [*each, 2000]


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (3, 3), (130, 120)])
def test_a_gif_holds_each_picture_for_its_time(tmp_path, count, shown):
    # Pictures that are all alike must not be merged into one frame: their texts differ.
    pictures = [(plain((90, 90, 90)), f"{k} images", k / count) for k in range(count)]
    assert save_gif(pictures, tmp_path / "a.gif") == shown
    with Image.open(tmp_path / "a.gif") as gif:
        times = []
        for k in range(getattr(gif, "n_frames", 1)):
            gif.seek(k)
            times.append(gif.info.get("duration"))
        assert len(times) == shown
        if count > 1:
            assert times == durations(shown)
            assert gif.info["loop"] == 0


def test_frames_are_the_pictures_in_order_with_a_bar_that_grows(tmp_path):
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    save_gif([(plain(colour, (200, 100)), "x", k / 2) for k, colour in enumerate(colours)], tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.size == (200, 128)
        for k, colour in enumerate(colours):
            gif.seek(k)
            pixels = np.asarray(gif.convert("RGB")).astype(int)
            assert np.abs(pixels[50, 100] - colour).max() <= 3
            bar = np.flatnonzero(pixels[-2, :, 0] < 150)
            assert len(bar) == 100 * k


def test_pictures_of_several_sizes_take_the_last_ones(tmp_path):
    save_gif([(plain("red", (10, 10)), "a", 0), (plain("blue", (1600, 800)), "b", 1)], tmp_path / "a.gif")
    assert Image.open(tmp_path / "a.gif").size == (800, 428)


def test_a_gif_is_whole_or_absent(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        save_gif([(plain("red"), "a", 1)], tmp_path / "file" / "a.gif")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
