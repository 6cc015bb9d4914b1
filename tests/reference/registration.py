"""Warped images and their gradients in 2-D and 3-D, float64 -> data/registration.json.

PyTorch's grid_sample with align_corners on the places x + u(x), linear and nearest, border and
zeros. Gradients are those of the sum of the result times `weights`.
"""

import torch
from torch.nn.functional import grid_sample

from hashing import hash_normal, numbers, save, tensor

SIZES = [(2, 3, 5, 7), (1, 2, 4, 3, 5)]


def case(number, shape):
    batch, _, *size = shape
    axes = len(size)
    image = tensor(hash_normal(200 + number, torch.Size(shape).numel()), shape, torch.float64)
    field_shape = (batch, axes, *size)
    # Displacements that reach out of the image, none of them to a whole voxel.
    field = tensor(1.3 * hash_normal(210 + number, torch.Size(field_shape).numel()), field_shape, torch.float64)
    weights = tensor(hash_normal(220 + number, image.numel()), shape, torch.float64)
    image.requires_grad_()
    field.requires_grad_()
    voxels = torch.stack(torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in size], indexing="ij"))
    extent = torch.tensor([n - 1.0 for n in size], dtype=torch.float64).reshape(1, axes, *[1] * axes)
    # grid_sample takes the last axis first, from -1 to 1.
    grid = (2 * (voxels + field) / extent - 1).movedim(1, -1).flip(-1)
    result = {
        "shape": list(shape), "image": numbers(image), "field": numbers(field), "weights": numbers(weights), "warped": []
    }
    for mode in ("linear", "nearest"):
        for outside in ("border", "zeros"):
            warped = grid_sample(image, grid, {"linear": "bilinear"}.get(mode, mode), outside, align_corners=True)
            gradients = torch.autograd.grad((warped * weights).sum(), (image, field), retain_graph=True)
            result["warped"].append({
                "interpolation": mode, "outside": outside, "values": numbers(warped),
                "of_image": numbers(gradients[0]), "of_field": numbers(gradients[1]),
            })
    return result


def main():
    save("registration.json", {"cases": [case(number, shape) for number, shape in enumerate(SIZES)]})


if __name__ == "__main__":
    main()
