"""Damaged and odd pictures, each a function of a seed, and what must be true of them."""

import random
import re
import time
import warnings
import zlib

import numpy as np
from picture_files import encoded, noise
from PIL import Image

from ganzoo.data.pictures import MAX_PIXELS, decode, on_background, pixels
from ganzoo.errors import DataError

CPU_SECONDS = 2.0


def smooth(seed, height=48, width=64):
    """Return a picture with neither white nor black in it, and some detail, (H, W, 3)."""
    small = np.random.default_rng(seed).integers(40, 216, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))


def middle(content, rng, length):
    """Replace bytes from the middle on with others."""
    start = len(content) // 2
    return content[:start] + rng.randbytes(length) + content[start + length :]


def chunk_of(content, name):
    """Return where a PNG's chunk of this name has its content."""
    at = content.index(name)
    return at + 4, at + 4 + int.from_bytes(content[at - 4 : at], "big")


def with_flip(content, place):
    return content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :]


def zeros_from(content, share):
    """Return a file that was made as long as it should be, and filled to a part."""
    end = int(len(content) * share)
    return content[:end] + b"\0" * (len(content) - end)


def _png(pixels):
    return encoded(pixels)


def _jpeg(pixels, **options):
    return encoded(pixels, "JPEG", quality=95, **options)


def cut(kind, share, **options):
    return lambda pixels, rng: encoded(pixels, kind, **options)[: int(len(encoded(pixels, kind, **options)) * share)]


# Kinds of files that cannot be what they should be: name to (content, file name's end).
DAMAGED = {
    "empty": (lambda pixels, rng: b"", ".png"),
    "text": (lambda pixels, rng: b"hello, I am no picture\n" * 50, ".jpg"),
    "page": (lambda pixels, rng: b"<!DOCTYPE html><html><body>404</body></html>", ".jpg"),
    "vector": (lambda pixels, rng: b"<svg xmlns='http://www.w3.org/2000/svg'/>", ".png"),
    "postscript": (lambda pixels, rng: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", ".jpg"),
    "document": (lambda pixels, rng: b"%PDF-1.7\n" + rng.randbytes(500), ".png"),
    "zeros": (lambda pixels, rng: b"\0" * 5000, ".jpg"),
    "chance": (lambda pixels, rng: rng.randbytes(5000), ".png"),
    "png cut": (cut("PNG", 0.6), ".png"),
    "png cut at the end": (cut("PNG", 0.99), ".png"),
    "png header alone": (lambda pixels, rng: _png(pixels)[:33], ".png"),
    "png signature": (lambda pixels, rng: b"\x89PNG\n\x1a\n" + _png(pixels)[8:], ".png"),
    "png garbage": (lambda pixels, rng: middle(_png(pixels), rng, 300), ".png"),
    "png checksum": (lambda pixels, rng: with_flip(_png(pixels), chunk_of(_png(pixels), b"IDAT")[1]), ".png"),
    "png size": (lambda pixels, rng: with_flip(_png(pixels), 19), ".png"),
    "png filled with zeros": (lambda pixels, rng: zeros_from(_png(pixels), 0.5), ".png"),
    "jpeg cut": (cut("JPEG", 0.6, quality=95), ".jpg"),
    "jpeg cut at the end": (lambda pixels, rng: _jpeg(pixels)[:-2], ".jpg"),
    "jpeg header alone": (lambda pixels, rng: _jpeg(pixels)[:200], ".jpg"),
    "jpeg garbage": (lambda pixels, rng: middle(_jpeg(pixels), rng, len(_jpeg(pixels)) // 2), ".jpg"),
    "jpeg filled with zeros": (lambda pixels, rng: zeros_from(_jpeg(pixels), 0.5), ".jpg"),
    "progressive jpeg cut": (cut("JPEG", 0.7, quality=95, progressive=True), ".jpg"),
    "gif cut": (cut("GIF", 0.5), ".gif"),
    "bmp cut": (cut("BMP", 0.7), ".bmp"),
    "tiff cut": (cut("TIFF", 0.7, compression="tiff_lzw"), ".tif"),
    "webp cut": (cut("WEBP", 0.7, quality=90), ".webp"),
    "ppm cut": (cut("PPM", 0.7), ".ppm"),
}

# Kinds that are only called wrongly, and must be read as they are.
MISNAMED = {
    "png called jpg": (_png, ".jpg"),
    "bmp called png": (lambda pixels: encoded(pixels, "BMP"), ".png"),
    "tiff called webp": (lambda pixels: encoded(pixels, "TIFF"), ".webp"),
}
KINDS = [*DAMAGED, *MISNAMED]


def odd_file(seed):
    """Return the kind, the name's end, the content, and the pixels that it may be read as (None for a refusal)."""
    rng, values = random.Random(seed), smooth(seed, 120, 160)
    kind = KINDS[seed % len(KINDS)]
    if kind in MISNAMED:
        make, suffix = MISNAMED[kind]
        return kind, suffix, make(values), values
    spoil, suffix = DAMAGED[kind]
    return kind, suffix, spoil(values, rng), None


def originals():
    """Return 20 files of every format and many modes, small and whole."""
    colour, grey = Image.fromarray(noise(1, 14, 18)), Image.fromarray(noise(2, 14, 18, channels=1))
    clear = Image.fromarray(noise(3, 14, 18, channels=4))
    palette = colour.quantize(16)
    deep = Image.fromarray(np.random.default_rng(4).integers(0, 2**16, (14, 18), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = {"save_all": True, "append_images": [Image.fromarray(noise(5, 14, 18))]}
    return [
        *(encoded(image) for image in (colour, grey, clear, palette, deep)),
        encoded(colour, "PNG", **frames),
        encoded(palette, "PNG", transparency=3),
        encoded(colour, "JPEG", exif=exif),
        encoded(grey, "JPEG", progressive=True),
        encoded(colour.convert("CMYK"), "JPEG"),
        encoded(colour, "GIF", **frames),
        encoded(palette, "GIF", transparency=1),
        *(encoded(image, "BMP") for image in (colour, palette)),
        encoded(colour, "TIFF", compression="tiff_deflate"),
        encoded(deep, "TIFF"),
        encoded(colour, "WEBP", quality=80, exif=exif),
        encoded(clear, "WEBP", lossless=True),
        encoded(colour, "WEBP", **frames),
        encoded(grey, "PPM"),
    ]


ORIGINALS = originals()


def png_with_sums(content):
    """Give every chunk of a PNG the checksum of what it now holds, as far as they can be followed."""
    whole, position = bytearray(content), 8
    while position + 12 <= len(whole):
        length = int.from_bytes(whole[position : position + 4], "big")
        end = position + 8 + length
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[position + 4 : end]).to_bytes(4, "big")
        position = end + 4
    return bytes(whole)


def mutated(seed):
    """Return one of the originals with a few things in it changed."""
    rng = random.Random(seed)
    number = rng.randrange(len(ORIGINALS))
    content = bytearray(ORIGINALS[number])
    for _ in range(rng.randint(1, 6)):
        place, kind = rng.randrange(len(content)), rng.randrange(8)
        if kind < 3:
            content[place] = rng.randrange(256)
        elif kind == 3:
            content[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
        elif kind == 4:
            del content[place : place + rng.randrange(1, 40)]
        elif kind == 5:
            content[place:place] = content[place : place + rng.randrange(1, 80)]
        elif kind == 6:
            content[place : place + 4] = rng.choice((0, 2**31 - 1, 2**32 - 1, 65536)).to_bytes(
                4, rng.choice(("big", "little"))
            )
        else:
            other = ORIGINALS[rng.randrange(len(ORIGINALS))]
            content[place:] = other[rng.randrange(len(other)) :]
        if not content:
            content = bytearray(b"\0")
    if rng.random() < 0.2:
        content = content[: rng.randrange(len(content))]
    changed = bytes(content)
    # Without this hardly any change to a PNG would get beyond its checksums.
    return number, png_with_sums(changed) if changed[:4] == b"\x89PNG" and rng.random() < 0.7 else changed


def fuzz(seed):
    """Read a mutated picture; return what became of it, and raise AssertionError if that may not be.

    Returns:
        `"read"`, or why it was refused, without what differs from file to file.
    """
    number, content = mutated(seed)
    started = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shown = pixels(on_background(decode(content, "some-picture")))
    except DataError as error:
        outcome = re.sub(r"\d+x\d+", "WxH", str(error).partition(":")[0].replace("'some-picture'", "it"))
        assert "\n" not in outcome
    except BaseException as error:
        raise AssertionError(f"original {number}: {type(error).__name__}: {error}") from error
    else:
        outcome = "read"
        assert shown.ndim == 3, shown.shape
        assert shown.shape[0] in (1, 3), shown.shape
        assert 0 < shown[0].numel() <= MAX_PIXELS, shown.shape
    seconds = time.process_time() - started
    assert seconds < CPU_SECONDS, f"original {number} took {seconds:.1f} s"
    return outcome if len(outcome) < 80 else outcome[:80]


def spoiled_folder(folder, seeds):
    """Write a folder of odd files; return the pixels of those that must be read, by name."""
    expected = {}
    for seed in seeds:
        _, suffix, content, values = odd_file(seed)
        name = f"{seed:06}{suffix}"
        (folder / name).write_bytes(content)
        if values is not None:
            expected[name] = values
    return expected
