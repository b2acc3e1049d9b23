"""What can be told of a JPEG file without decoding it: whether the markers between its parts are in order.

The decoder takes a marker that stands where none may be for the end of the data, fills up the rest of the picture with
grey, and says nothing. JPEG (ITU-T T.81, annex B) has no checksum; but bytes of chance contain a marker that may not
be there soon: one in 256 of them begins one.
"""

import re

from ganzoo.errors import DataError

_START, _END, _SCAN, _RESTARTS = 0xD8, 0xD9, 0xDA, range(0xD0, 0xD8)

# Within compressed data 0xFF is followed by 0; anything else is a marker. Repeated 0xFF fill up.
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)


def check_markers(content: bytes, name: str) -> None:
    """Refuse a JPEG file whose parts do not follow each other as they must.

    Args:
        content: The whole file; one that begins as no JPEG file does is left alone.
        name: What the picture is called in messages.

    Raises:
        DataError: A marker is not allowed where it stands, or the end is missing.
    """
    if content[:2] != b"\xff\xd8":
        return
    position, restart = 2, 0
    while True:
        # Decoders pass over what lies between two parts.
        found = _MARKER.search(content, position)
        if found is None:
            raise _damaged(name, "it ends too soon")
        marker, position = found[1][0], found.end()
        if marker == _END:
            return
        if marker in _RESTARTS:
            if marker != _RESTARTS[restart % 8]:
                raise _damaged(name, "its restart markers are out of order")
            restart += 1
            continue
        if marker < 0xC0 or marker == _START:
            raise _damaged(name, f"the marker {marker:#04x} stands within its pixels")
        if marker == _SCAN:
            restart = 0
        # A part begins with its length, which counts its own two bytes.
        length = int.from_bytes(content[position : position + 2], "big")
        if length < 2:
            raise _damaged(name, f"the part after the marker {marker:#04x} has no length")
        position += length


def _damaged(name: str, reason: str) -> DataError:
    return DataError(
        f"the picture {name!r} cannot be read: {reason}; it is damaged or cut short, so replace or remove it"
    )
