"""Every kind of picture that people have, with the pixels it must be read as."""

import numpy as np
import pytest
import torch
from picture_files import encoded, noise, png, write_files
from PIL import Image, ImageCms

from ganzoo.data.folders import open_pictures
from ganzoo.errors import DataError

COLOUR, GREY = noise(0), noise(1, channels=1)
BITS = GREY > 127
WIDE = np.random.default_rng(2).integers(0, 2**16, (6, 8), dtype=np.uint16)
ALPHA = noise(3, channels=4)
LA = noise(4, channels=2)
PALETTE = Image.fromarray(COLOUR).quantize(16)
INDEX, TABLE = np.asarray(PALETTE), np.array(PALETTE.getpalette(), dtype=np.uint8).reshape(-1, 3)
FLAT = np.full((16, 16, 3), (200, 40, 90), dtype=np.uint8)
FRAMES = {"save_all": True, "append_images": [Image.fromarray(noise(9))]}


def opaque(values):
    """Return grey (H, W) or colours (H, W, 3) as RGBA."""
    colours = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
    return np.concatenate([colours, np.full((*colours.shape[:2], 1), 255, dtype=np.uint8)], axis=2)


def from_16_bits(values):
    return np.round(values / 257).astype(np.uint8)


def pgm16():
    return b"P5 8 6 65535\n" + WIDE.astype(">u2").tobytes()


def palette_alpha(alphas):
    """Return the palette's colours with one alpha an entry."""
    table = np.concatenate([TABLE[:16], np.array(alphas, dtype=np.uint8)[:, None]], axis=1)
    return table[INDEX]


def cmyk(ink):
    return Image.new("CMYK", (16, 16), ink)


def adobe_inverted():
    """Return a CMYK JPEG whose Adobe marker and inverted inks are as Photoshop writes them."""
    content = encoded(cmyk((0, 204, 255, 0)), "JPEG", quality=95)
    assert b"Adobe" in content
    return content


def profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


WIDE_COLOUR = np.random.default_rng(5).integers(0, 2**16, (6, 8, 4), dtype=np.uint16)

GOLDEN = {
    "grey PNG": (encoded(GREY), opaque(GREY)),
    "colour PNG": (encoded(COLOUR), opaque(COLOUR)),
    "colour PNG, interlaced": (encoded(Image.fromarray(COLOUR), optimize=True), opaque(COLOUR)),
    "1-bit PNG": (encoded(Image.fromarray(BITS)), opaque(np.uint8(BITS) * 255)),
    "1-bit TIFF, group 4": (encoded(Image.fromarray(BITS), "TIFF", compression="group4"), opaque(np.uint8(BITS) * 255)),
    "1-bit BMP": (encoded(Image.fromarray(BITS), "BMP"), opaque(np.uint8(BITS) * 255)),
    "1-bit PBM": (encoded(Image.fromarray(BITS), "PPM"), opaque(np.uint8(BITS) * 255)),
    "2-bit grey PNG": (png(np.uint8([[0x1B]]), 2, 0), opaque(np.uint8([[0, 85, 170, 255]]))),
    "4-bit grey PNG": (png(np.uint8([[0x0F, 0x80]]), 4, 0), opaque(np.uint8([[0, 255, 136, 0]]))),
    "16-bit grey PNG": (encoded(Image.fromarray(WIDE)), opaque(from_16_bits(WIDE))),
    "16-bit grey TIFF": (encoded(Image.fromarray(WIDE), "TIFF"), opaque(from_16_bits(WIDE))),
    "16-bit grey TIFF, deflated": (
        encoded(Image.fromarray(WIDE), "TIFF", compression="tiff_deflate"),
        opaque(from_16_bits(WIDE)),
    ),
    "16-bit PGM": (pgm16(), opaque(from_16_bits(WIDE))),
    "16-bit colour PNG": (
        png(WIDE_COLOUR[..., :3].astype(">u2").reshape(6, -1).view(np.uint8), 16, 2),
        opaque(from_16_bits(WIDE_COLOUR[..., :3])),
    ),
    "16-bit colour PNG with alpha": (
        png(WIDE_COLOUR.astype(">u2").reshape(6, -1).view(np.uint8), 16, 6),
        from_16_bits(WIDE_COLOUR),
    ),
    "16-bit grey PNG with alpha": (
        png(np.ascontiguousarray(WIDE_COLOUR[..., :2].astype(">u2")).reshape(6, -1).view(np.uint8), 16, 4),
        np.concatenate(
            [opaque(from_16_bits(WIDE_COLOUR[..., 0]))[..., :3], from_16_bits(WIDE_COLOUR[..., 1:2])], axis=2
        ),
    ),
    "LA PNG": (encoded(LA), np.concatenate([opaque(LA[..., 0])[..., :3], LA[..., 1:]], axis=2)),
    "RGBA PNG": (encoded(ALPHA), ALPHA),
    "RGBA TIFF": (encoded(ALPHA, "TIFF"), ALPHA),
    "RGBA WebP, lossless": (encoded(ALPHA, "WEBP", lossless=True, exact=True), ALPHA),
    "palette PNG": (encoded(PALETTE), opaque(TABLE[INDEX])),
    "palette GIF": (encoded(PALETTE, "GIF"), opaque(TABLE[INDEX])),
    "palette BMP": (encoded(PALETTE, "BMP"), opaque(TABLE[INDEX])),
    "palette TIFF": (encoded(PALETTE, "TIFF"), opaque(TABLE[INDEX])),
    "palette PNG, one clear colour": (
        encoded(PALETTE, transparency=3),
        palette_alpha([255, 255, 255, 0, *[255] * 12]),
    ),
    "palette PNG, alpha for each": (
        encoded(PALETTE, transparency=bytes(range(0, 240, 15))),
        palette_alpha(range(0, 240, 15)),
    ),
    "palette GIF, one clear colour": (
        encoded(PALETTE, "GIF", transparency=3),
        palette_alpha([255, 255, 255, 0, *[255] * 12]),
    ),
    "grey PNG, one clear colour": (
        encoded(Image.fromarray(np.uint8([[0, 7, 200]])), transparency=7),
        np.uint8([[[0, 0, 0, 255], [7, 7, 7, 0], [200, 200, 200, 255]]]),
    ),
    "colour PNG, one clear colour": (
        encoded(Image.fromarray(np.uint8([[[1, 2, 3], [9, 9, 9]]])), transparency=(9, 9, 9)),
        np.uint8([[[1, 2, 3, 255], [9, 9, 9, 0]]]),
    ),
    "colour JPEG": (encoded(FLAT, "JPEG", quality=95), opaque(FLAT)),
    "progressive JPEG": (encoded(FLAT, "JPEG", quality=95, progressive=True), opaque(FLAT)),
    "grey JPEG": (encoded(FLAT[..., 0], "JPEG", quality=95), opaque(FLAT[..., 0])),
    "CMYK JPEG, inverted": (adobe_inverted(), opaque(np.full((16, 16, 3), (255, 51, 0), dtype=np.uint8))),
    "CMYK TIFF": (encoded(cmyk((0, 204, 255, 0)), "TIFF"), opaque(np.full((16, 16, 3), (255, 51, 0), dtype=np.uint8))),
    "YCbCr TIFF": (
        encoded(Image.fromarray(FLAT).convert("YCbCr"), "TIFF"),
        opaque(FLAT),
    ),
    "WebP": (encoded(FLAT, "WEBP", quality=100), opaque(FLAT)),
    "animated GIF": (
        encoded(PALETTE, "GIF", save_all=True, append_images=[PALETTE.transpose(Image.Transpose.ROTATE_180)]),
        opaque(TABLE[INDEX]),
    ),
    "animated WebP": (encoded(Image.fromarray(COLOUR), "WEBP", lossless=True, **FRAMES), opaque(COLOUR)),
    "animated PNG": (encoded(Image.fromarray(COLOUR), **FRAMES), opaque(COLOUR)),
    "TIFF of two pages": (encoded(Image.fromarray(COLOUR), "TIFF", **FRAMES), opaque(COLOUR)),
    "colour profile": (encoded(Image.fromarray(COLOUR), icc_profile=profile()), opaque(COLOUR)),
    "float TIFF": (encoded(Image.fromarray(np.float32([[0.5, 0]])), "TIFF"), "floats, whose range is not known"),
    "32-bit TIFF": (encoded(Image.fromarray(np.int32([[70_000]])), "TIFF"), "32-bit integers"),
    "Lab TIFF": (encoded(Image.new("LAB", (2, 2)), "TIFF"), "Lab colours"),
}
TOLERANCE = 2


def test_there_are_enough():
    assert len(GOLDEN) >= 40


@pytest.mark.parametrize("name", GOLDEN)
def test_pixels(tmp_path, name):
    content, expected = GOLDEN[name]
    path = write_files(tmp_path, {"picture.png": content})
    if isinstance(expected, str):
        with pytest.raises(DataError, match=f"'picture.png' has {expected}"):
            open_pictures(path)
        return
    kept = open_pictures(path, mode="RGBA").samples[0].permute(1, 2, 0).numpy()
    # Colours under what is wholly clear are nobody's.
    seen = np.where(expected[..., 3:] == 0, 0, 1)
    assert kept.shape == expected.shape
    assert np.abs(kept.astype(int) - expected)[..., 3].max() <= TOLERANCE
    assert (np.abs(kept.astype(int) - expected) * seen)[..., :3].max() <= TOLERANCE
    alpha = expected[..., 3:] / 255
    for background, colour in (("white", 255), ("#204060", np.array([0x20, 0x40, 0x60]))):
        laid = open_pictures(path, mode="RGB", background=background).samples[0].permute(1, 2, 0).numpy()
        assert np.abs(laid - (expected[..., :3] * alpha + colour * (1 - alpha))).max() <= TOLERANCE


def test_orientations_are_undone_and_sizes_told_upright(tmp_path):
    upright = noise(0, 4, 6)
    turns = [
        upright,
        upright[:, ::-1],
        upright[::-1, ::-1],
        upright[::-1],
        upright.transpose(1, 0, 2),
        np.rot90(upright),
        upright[::-1, ::-1].transpose(1, 0, 2),
        np.rot90(upright, -1),
    ]
    for orientation, turned in enumerate(turns, start=1):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.ascontiguousarray(turned))
        for kind, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})):
            write_files(tmp_path, {f"{orientation}-{kind}.{kind.lower()}": encoded(stored, kind, exif=exif, **options)})
    table = open_pictures(tmp_path, unreadable=0)
    assert table.source.startswith("pictures,image_size=4x6,")
    assert torch.equal(table.samples, torch.from_numpy(upright).permute(2, 0, 1).expand(24, -1, -1, -1))


def test_what_was_taken_and_left_is_said(tmp_path, caplog):
    open_pictures(
        write_files(
            tmp_path, {f"{i}.png": GOLDEN[name][0] for i, name in enumerate(["animated GIF", "colour profile"])}
        )
    )
    assert "of 1 animations the first picture taken; 1 colour profiles not applied" in caplog.text
