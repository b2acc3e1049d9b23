import io
import random
import struct
import zlib

import numpy as np
import pytest
import torch
from picture_files import encoded, noise, png
from PIL import Image

from ganzoo.data import pictures
from ganzoo.data.pictures import decode, on_background, pixels, source_from_picture
from ganzoo.data.table import Table
from ganzoo.errors import DataError, InputError


def read(content: bytes) -> np.ndarray:
    """Return what a picture's file is read as, on white: (C, H, W)."""
    return pixels(on_background(decode(content, "some-picture"))).numpy()


def planes(values: np.ndarray) -> np.ndarray:
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_are_read_as_they_are(kind, channels):
    values = noise(0, channels=channels)
    assert np.array_equal(read(encoded(values, kind)), planes(values))


def test_black_and_white_is_grey():
    bits = noise(0, channels=1) > 127
    assert np.array_equal(read(encoded(Image.fromarray(bits))), planes(np.uint8(bits) * 255))


@pytest.mark.parametrize("colours", [2, 4, 16, 200])
def test_palettes_become_their_colours(colours):
    image = Image.fromarray(noise(0)).quantize(colours)
    assert np.array_equal(read(encoded(image)), planes(np.asarray(image.convert("RGB"))))
    assert np.array_equal(read(encoded(image, "GIF")), planes(np.asarray(image.convert("RGB"))))


@pytest.mark.parametrize("channels", [2, 4])
def test_transparent_parts_are_white(channels):
    values = noise(0, channels=channels)
    colour, alpha = values[..., :-1].astype(float), values[..., -1:].astype(float) / 255
    expected = (colour * alpha + 255 * (1 - alpha)).transpose(2, 0, 1)
    assert np.abs(read(encoded(values)) - expected).max() <= 1


def test_a_palettes_and_a_pictures_transparent_colour_are_white():
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    for options in ({"transparency": 1}, {"transparency": bytes([255, 0, 255])}):
        assert read(encoded(image, **options))[:, 0].T.tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]
    assert read(encoded(image.convert("RGB"), transparency=(0, 0, 255)))[:, 0, 2].tolist() == [255] * 3
    grey = Image.fromarray(np.uint8([[0, 7, 200]]))
    assert read(encoded(grey, transparency=7))[0, 0].tolist() == [0, 255, 200]


def test_16_bits_are_scaled_to_8():
    values = np.array([[0, 128, 129, 257, 32768, 65535]], dtype=np.uint16)
    for content in (encoded(Image.fromarray(values)), encoded(Image.fromarray(values), "TIFF")):
        assert read(content)[0, 0].tolist() == [0, 0, 1, 1, 128, 255]
    colour = np.array([[0x12, 0x34, 0x80, 0x00, 0xFF, 0xFF]], dtype=np.uint8)
    assert np.abs(read(png(colour, 16, 2))[:, 0, 0].astype(int) - [0x12, 0x80, 0xFF]).max() <= 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(np.uint8([[0x1B]]), 2, 0, b"\0\2"), "transparent colour in pixels of kind L;2"),
        (png(np.uint8([[1, 2]]), 16, 0, b"\1\2"), "transparent colour in pixels of kind I;16B"),
        (encoded(Image.fromarray(np.float32([[0.5]])), "TIFF"), "floats, whose range is not known"),
        (encoded(Image.fromarray(np.int32([[70_000]])), "TIFF"), "32-bit integers, whose range is not known"),
        (encoded(Image.new("LAB", (2, 2)), "TIFF"), "Lab colours"),
    ],
)
def test_pixels_without_a_plain_meaning_are_refused(content, message):
    with pytest.raises(DataError, match=f"'some-picture' has .*{message}.*8 bits a channel"):
        read(content)


def test_cmyk_becomes_rgb():
    content = encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    assert np.abs(read(content)[:, 4, 4].astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(kind, orientation):
    upright = np.zeros((16, 32), dtype=np.uint8)
    upright[:8, :16] = 255  # white at the top left
    turns = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turns[orientation])).convert("RGB")
    shown = read(encoded(stored, kind, exif=exif))
    assert shown.shape == (3, 16, 32)
    assert np.abs(shown[0].astype(int) - upright)[2:-2, 2:-2].mean() < 5


def test_the_first_picture_of_an_animation():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read(content)[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'some-picture' is not a picture in BMP, .* or WEBP.*replace or remove"),
        (b"hello", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (encoded(noise(0))[:100], "'some-picture' cannot be read: .*damaged or cut short"),
        (encoded(noise(0, 64, 64), "JPEG")[:2000], "cannot be read: it ends too soon; it is damaged or cut short"),
        (encoded(noise(0), "BMP")[:100], "cannot be read"),
    ],
)
def test_damage_is_named_with_the_picture(content, message):
    with pytest.raises(DataError, match=message):
        read(content)


def test_too_many_pixels_are_refused_by_the_header(recwarn):
    header = png(np.zeros((1, 3), dtype=np.uint8), 8, 2)
    size = struct.pack(">II", 10_000, 9_000) + header[24:29]
    huge = header[:16] + size + struct.pack(">I", zlib.crc32(b"IHDR" + size)) + header[33:]
    with pytest.raises(DataError, match=r"10000x9000 pixels; from 1 to 67,108,864 are read"):
        read(huge)
    assert not recwarn.list


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG"])
def test_mutations_only_raise_data_errors(kind):
    rng = random.Random(0)
    whole = encoded(Image.fromarray(noise(0, 12, 12)), kind)
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if rng.random() < 0.3:
            content = content[: rng.randrange(len(content))]
        try:
            shape = read(bytes(content)).shape
        except DataError:
            continue
        assert shape[0] in (1, 3)


def test_a_png_with_damaged_pixels_is_never_read():
    values = np.repeat(noise(0, 16, 16) // 64, 4, axis=0)  # what deflates well
    whole = encoded(values)
    start, stop = whole.index(b"IDAT") + 4, whole.index(b"IEND") - 8
    for place in range(start, stop):
        content = bytearray(whole)
        content[place] ^= 0x10
        try:
            shown = read(bytes(content))
        except DataError:
            continue
        assert np.array_equal(shown, planes(values))


def test_a_file_that_cannot_be_read_or_is_too_large(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"cannot read the picture '.*absent.png': No such file"):
        source_from_picture(tmp_path / "absent.png", (3, 4, 4), "stretch")
    (tmp_path / "large.png").write_bytes(encoded(noise(0)))
    monkeypatch.setattr(pictures, "MAX_FILE_BYTES", 10)
    with pytest.raises(DataError, match=r"large.png' has .* bytes; up to 10 are read"):
        source_from_picture(tmp_path / "large.png", (3, 4, 4), "stretch")


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_a_picture_that_fits_is_taken_as_a_table_takes_it(tmp_path, resize):
    values = noise(0, 6, 8)
    (tmp_path / "a.png").write_bytes(encoded(values))
    expected = Table(torch.from_numpy(values).permute(2, 0, 1)[None]).batch(torch.tensor([0])).sample[0]
    for picture in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(values)):
        source, description = source_from_picture(picture, (3, 6, 8), resize)
        assert torch.equal(source, expected)
        assert description == "8x6 as it is"


def halves() -> Image.Image:
    """Return a picture of 8 x 4 pixels, its left half black and its right half white."""
    return Image.fromarray(np.repeat(np.repeat(np.uint8([[0, 255]]), 4, axis=1), 4, axis=0))


@pytest.mark.parametrize(
    ("resize", "size", "rows", "description"),
    [
        ("stretch", (4, 4), [[-1, None, None, 1]] * 4, "8x4 (2:1) stretched to 4x4 (1:1)"),
        ("crop", (4, 4), [[-1, -1, 1, 1]] * 4, "8x4 (2:1) cut to its middle 4x4 and scaled to 4x4 (1:1)"),
        (
            "pad",
            (8, 8),
            [[1] * 8] * 2 + [[-1] * 4 + [1] * 4] * 4 + [[1] * 8] * 2,
            "8x4 (2:1) scaled to 8x4 and padded with white to 8x8 (1:1)",
        ),
    ],
)
def test_resizing(resize, size, rows, description):
    height, width = size
    source, said = source_from_picture(halves(), (1, height, width), resize)
    assert source.shape == (1, height, width)
    assert said == description
    for row, expected in zip(source[0], rows, strict=True):
        for value, wanted in zip(row.tolist(), expected, strict=True):
            assert wanted is None or value == wanted


def test_one_aspect_ratio_is_kept_by_every_way():
    found = [source_from_picture(halves(), (1, 2, 4), resize) for resize in ("stretch", "crop", "pad")]
    assert {said for _, said in found} == {"8x4 (2:1) scaled to 4x2 (2:1)"}
    assert all(torch.equal(source, found[0][0]) for source, _ in found)


def test_the_filter_follows_the_direction():
    image = Image.fromarray(noise(0, 8, 8))
    smaller, _ = source_from_picture(image, (3, 4, 4), "stretch")
    assert torch.equal(smaller, (pixels(image.resize((4, 4), Image.Resampling.LANCZOS)) - 127.5) / 127.5)
    larger, _ = source_from_picture(image, (3, 9, 9), "stretch")
    assert torch.equal(larger, (pixels(image.resize((9, 9), Image.Resampling.BICUBIC)) - 127.5) / 127.5)


def test_channels_are_those_asked_for():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert source_from_picture(clear, (1, 4, 4), "stretch")[0].unique().tolist() == [1]
    assert source_from_picture(clear, (3, 4, 4), "stretch")[0].unique().tolist() == [1]
    assert source_from_picture(clear, (4, 4, 4), "stretch")[0][:, 0, 0].tolist() == [1, -1, -1, -1]
    assert source_from_picture(halves(), (4, 4, 8), "stretch")[0][:, 0, 0].tolist() == [-1, -1, -1, 1]
    red = Image.new("RGB", (4, 4), "red")
    assert (source_from_picture(red, (1, 4, 4), "stretch")[0] * 127.5 + 127.5).unique().tolist() == [76]
    padded, _ = source_from_picture(clear, (4, 8, 4), "pad")
    assert padded[:, 0, 0].tolist() == [1, 1, 1, 1]


def test_a_cut_off_picture_in_memory_is_a_data_error():
    image = Image.open(io.BytesIO(encoded(noise(0, 64, 64))[:500]))
    with pytest.raises(DataError, match="PngImageFile' cannot be read"):
        source_from_picture(image, (3, 4, 4), "pad")


@pytest.mark.parametrize(
    ("shape", "resize", "message"),
    [
        ((2, 4, 4), "stretch", r"shape \(2, 4, 4\); \(C, H, W\) with 1, 3 or 4"),
        ((3, 0, 4), "stretch", r"shape \(3, 0, 4\)"),
        ((3, 4, 4), "squash", "resize is 'squash'; use 'stretch', 'crop', 'pad'"),
    ],
)
def test_what_cannot_be_asked(shape, resize, message):
    with pytest.raises(InputError, match=message):
        source_from_picture(halves(), shape, resize)
