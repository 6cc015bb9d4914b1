"""ResNet-18 for 32x32 images, of blocks with the norms after or before the convolutions.

The library's `resnet18` and `preact18`: a 3x3 stem, four stages of 64 to 512 channels, a projection
where the shape changes. No script: `benches/peer.py` times these models.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from resnet20 import MEAN, STD, Block, Conv, Linear, ResNet


class PreActivation(nn.Module):
    def __init__(self, inputs, outputs, stride, rank):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = Conv(inputs, outputs, 3, stride, rank)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = Conv(outputs, outputs, 3, 1, rank)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = Conv(inputs, outputs, 1, stride, rank)

    def forward(self, x):
        y = F.relu(self.bn1(x))
        # A projection starts from the activated input, an identity from the input itself.
        shortcut = self.downsample(y) if self.downsample else x
        y = F.relu(self.bn2(self.conv1(y)))
        return self.conv2(y) + shortcut


class ResNet18(ResNet):
    """rank None leaves the noise parameters out."""

    def __init__(self, pre_activation=False, rank=None, classes=10):
        nn.Module.__init__(self)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.conv1 = Conv(3, 64, 3, 1, rank)
        self.bn1 = None if pre_activation else nn.BatchNorm2d(64)
        block, inputs, stages = PreActivation if pre_activation else Block, 64, []
        for stage, outputs in enumerate((64, 128, 256, 512)):
            stages.append(block(inputs, outputs, 2 if stage else 1, rank))
            stages.append(block(outputs, outputs, 1, rank))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.bn = nn.BatchNorm2d(512) if pre_activation else None
        self.fc = Linear(512, classes, rank is not None)

    def forward(self, x):
        x = self.conv1((x - self.mean) / self.std)
        x = self.stages(F.relu(self.bn1(x)) if self.bn1 else x)
        x = F.relu(self.bn(x)) if self.bn else x
        return self.fc(x.mean((2, 3)))
