"""Operations of AutoAugment and TrivialAugment by Pillow -> data/augment.json.

Small images of bytes, in color and gray, and what Pillow makes of each by the calls
of torchvision's `autoaugment` (which works on Pillow's images): nearest pixels, black
fill. Images are stored row-major [channels, height, width], in hexadecimal digits.
Needs Pillow and numpy.
"""

import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageOps

OUT = Path(__file__).parent / "data" / "augment.json"


def affine(image, matrix):
    fill = 0 if image.mode == "L" else (0, 0, 0)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=fill)


OPERATIONS = {
    "ShearX": lambda image, at: affine(image, (1, at, 0, 0, 1, 0)),
    "ShearY": lambda image, at: affine(image, (1, 0, 0, at, 1, 0)),
    "TranslateX": lambda image, at: affine(image, (1, 0, -at, 0, 1, 0)),
    "TranslateY": lambda image, at: affine(image, (1, 0, 0, 0, 1, -at)),
    "Rotate": lambda image, at: image.rotate(at, Image.Resampling.NEAREST),
    "AutoContrast": lambda image, at: ImageOps.autocontrast(image),
    "Invert": lambda image, at: ImageOps.invert(image),
    "Equalize": lambda image, at: ImageOps.equalize(image),
    "Solarize": lambda image, at: ImageOps.solarize(image, at),
    "Posterize": lambda image, at: ImageOps.posterize(image, at),
    "Contrast": lambda image, at: ImageEnhance.Contrast(image).enhance(at),
    "Color": lambda image, at: ImageEnhance.Color(image).enhance(at),
    "Brightness": lambda image, at: ImageEnhance.Brightness(image).enhance(at),
    "Sharpness": lambda image, at: ImageEnhance.Sharpness(image).enhance(at),
}
FACTORS = [0.01, 0.1, 0.7, 1.0, 1.3, 1.9, 1.99]
MAGNITUDES = {
    "ShearX": [-0.99, -0.3, 0.1, 0.66],
    "ShearY": [-0.99, -0.3, 0.1, 0.66],
    "TranslateX": [-14, -3, 0, 2, 32],
    "TranslateY": [-14, -3, 0, 2, 32],
    "Rotate": [-135.0, -90.0, -30.0, -6.7, 0.0, 4.5, 10.0, 45.0, 90.0],
    "Solarize": [0.0, 85.0, 170.0, 198.33333333333334, 255.0],
    "Posterize": [2, 4, 5, 8],
    "Contrast": FACTORS,
    "Color": FACTORS,
    "Brightness": FACTORS,
    "Sharpness": FACTORS,
}


def planes(image):
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def hexadecimal(image):
    return planes(image).tobytes().hex()


def images():
    """Name, image, and the operations that it goes through."""
    y, x = np.mgrid[:17, :16]
    rough = (y * 71 + x * 113)[:9, :11]
    color = np.stack([rough, rough * 3, 255 - rough], 2) % 256
    yield "rough", Image.fromarray(color.astype(np.uint8)), list(OPERATIONS)
    # More pixels than 255, so that there are steps to equalize; a part of the range.
    smooth = np.stack([40 + 5 * y + x, 200 - 4 * x, 90 + (x - 9) * (y - 9) // 2], 2)
    of_histogram = ["AutoContrast", "Equalize", "Solarize", "Contrast"]
    yield "smooth", Image.fromarray(smooth.astype(np.uint8)), of_histogram
    gray = (smooth[..., 0] // 2 + 37 * (x % 2)).astype(np.uint8)
    yield "equalized", Image.fromarray(gray), of_histogram
    yield "gray", Image.fromarray(gray[:7, :8]), list(OPERATIONS)
    yield "plain", Image.new("RGB", (4, 3), (7, 130, 255)), list(OPERATIONS)
    yield "small", Image.fromarray(gray[:2, :2]), list(OPERATIONS)


def main():
    content = {}
    for name, image, operations in images():
        cases = [
            {"operation": operation, "at": at, "bytes": hexadecimal(OPERATIONS[operation](image, at))}
            for operation in operations
            for at in MAGNITUDES.get(operation, [0])
        ]
        content[name] = {"shape": list(planes(image).shape), "bytes": hexadecimal(image), "cases": cases}
    text = ",\n".join(
        f"  {json.dumps(name)}: {{\n   \"shape\": {image['shape']}, \"bytes\": \"{image['bytes']}\", \"cases\": [\n"
        + ",\n".join("    " + json.dumps(case) for case in image["cases"])
        + "\n   ]}"
        for name, image in content.items()
    )
    OUT.write_text(f'{{\n "pillow": "{PIL.__version__}", "images": {{\n{text}\n }}\n}}\n')


if __name__ == "__main__":
    main()
