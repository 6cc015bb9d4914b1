"""A checkpoint of one kilobyte that claims a tensor of 2 GiB -> data/expanded.pth.

One stored number, seen 2^29 times by a stride of zero, as `expand` does it.
"""

from pathlib import Path

import torch

weight = torch.zeros(1).expand(2**14, 2**15)
torch.save({"state_dict": {"fc.weight": weight}}, Path(__file__).parent / "data" / "expanded.pth")
