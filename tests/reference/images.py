"""Tiny images of kinds that the tests cannot write -> data/images/*, data/images.json.

16 x 16, smooth, so that JPEG keeps the values. The JSON holds for each file the RGB
and the gray (mode L) values that Pillow gives at five places, a tolerance for them,
and Pillow's version. Needs Pillow alone.
"""

import io
import json
import struct
from pathlib import Path

import PIL
from PIL import Image

SIZE = 16
PLACES = [(0, 0), (0, 15), (7, 8), (15, 0), (15, 15)]
OUT = Path(__file__).parent / "data" / "images"


def smooth():
    image = Image.new("RGB", (SIZE, SIZE))
    for y in range(SIZE):
        for x in range(SIZE):
            image.putpixel((x, y), (x * 12 + 20, y * 12 + 10, (x + y) * 6 + 30))
    return image


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(image, **options):
    return encoded(image, "JPEG", quality=95, **{"subsampling": 0, **options})


def segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def with_exif(data, thumbnail):
    """Orientation 6 (turned by 90 degrees), then a thumbnail, which is a whole JPEG with an end marker."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    return data[:2] + segment(0xE1, b"Exif\0\0" + tiff + thumbnail) + data[2:]


def ycck(image):
    """Adobe transform 2. Pillow cannot write it: the planes are written as if they were C, M, Y, K, and the byte that tells is changed."""
    flip = lambda plane: plane.point(lambda v: 255 - v)
    y, cb, cr = image.convert("YCbCr").split()
    # Pillow inverts what it writes: the file holds Y, Cb, Cr as they are.
    packed = Image.merge("CMYK", (flip(y), flip(cb), flip(cr), Image.new("L", image.size, 40)))
    data = bytearray(jpeg(packed))
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    data[at] = 2
    return bytes(data)


image = smooth()
files = {
    "baseline.jpg": (jpeg(image), 4),
    "subsampled.jpg": (jpeg(image, subsampling=2), 12),
    "gray.jpg": (jpeg(image.convert("L")), 4),
    "progressive.jpg": (jpeg(image, progressive=True), 4),
    "restart.jpg": (jpeg(image, restart_marker_blocks=1), 4),
    "exif_thumbnail.jpg": (with_exif(jpeg(image), jpeg(image.resize((8, 8)))), 4),
    "cmyk.jpg": (jpeg(image.convert("CMYK")), 6),
    "ycck.jpg": (ycck(image), 6),
    "palette.png": (encoded(image.quantize(16), "PNG"), 0),
    "palette_transparent.png": (encoded(image.quantize(16), "PNG", transparency=3), 0),
    "one_bit.png": (encoded(image.convert("1"), "PNG"), 0),
}
OUT.mkdir(parents=True, exist_ok=True)
values = {}
for name, (data, tolerance) in files.items():
    (OUT / name).write_bytes(data)
    opened = Image.open(io.BytesIO(data))
    rgb = opened.convert("RGB")
    gray = rgb.convert("L")
    pixels = [[y, x, *rgb.getpixel((x, y)), gray.getpixel((x, y))] for y, x in PLACES]
    values[name] = {"tolerance": tolerance, "pixels": pixels}
listed = json.dumps({"pillow": PIL.__version__, "size": [SIZE, SIZE], "files": values}, indent=1)
(OUT.parent / "images.json").write_text(listed + "\n")
