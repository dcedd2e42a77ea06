"""What litert-torch writes of the networks that the models are exports of.

It starts from PyTorch, not from ONNX: the same architecture is built there, with weights of its own
(equal numbers would take the same time). It runs in an environment of its own, with torch, timm,
torchvision and litert-torch.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

# By the beginning of a model's name: how it is built, and the size of its pictures.
NETWORKS: Mapping[str, tuple[str, int]] = {
    "efficientnet_lite0": ("timm.create_model('efficientnet_lite0')", 224),
    "mobilenet_v2": ("torchvision.models.mobilenet_v2(weights=None)", 224),
    "mobilenet_v3_small": ("torchvision.models.mobilenet_v3_small(weights=None)", 224),
    "mobilevit_xxs": ("timm.create_model('mobilevit_xxs')", 256),
    "shufflenet_v2_x1_0": ("torchvision.models.shufflenet_v2_x1_0(weights=None)", 224),
}
# timm sets the last scale of a block to 0, and what it multiplies would be left out. torchvision's
# own operators are not needed, and do not load beside every torch.
SCRIPT = """
import sys, time, types
sys.modules["torchvision._meta_registrations"] = types.ModuleType("left_out")
import torch, timm, torchvision, litert_torch
torch.manual_seed(0)
network = {made}.eval()
for each in network.modules():
    if isinstance(each, torch.nn.BatchNorm2d):
        each.weight.data.uniform_(0.5, 1.5)
begin = time.perf_counter()
last = litert_torch.to_channel_last_io(network, args=[0])
litert_torch.convert(last, (torch.randn(1, {size}, {size}, 3),)).export(sys.argv[1])
print("seconds", time.perf_counter() - begin)
"""


def litert_torch_file(name: str, python: Path, limit: int) -> tuple[bytes, float]:
    """The float32 file of a model's network, and the seconds that its conversion took.

    Raises:
        StopIteration: there is no definition of this model (``has_network`` tells).
        SubprocessError: litert-torch fails, or takes longer than ``limit`` seconds.
    """
    made, size = next(found for begin, found in NETWORKS.items() if name.startswith(begin))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "m.tflite"
        script = SCRIPT.format(made=made, size=size)
        done = subprocess.run(
            [python, "-c", script, out], check=True, capture_output=True, text=True,
            timeout=limit, cwd=folder,
        )  # fmt: skip
        return out.read_bytes(), float(done.stdout.split("seconds")[-1])


def has_network(name: str) -> bool:
    """True when the model's network is defined here."""
    return any(name.startswith(begin) for begin in NETWORKS)
