"""The files of a classic network: ``config.json`` with a ``model_type`` of our own, and ``model.safetensors``.

Training ends with `save`; `python -m onnx_models export` reads the folder, which also has a tokenizer.json for networks
of texts.
"""

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
import safetensors.torch
from torch import nn

from onnx_models.errors import ExportError, refusing

CONFIG, WEIGHTS = "config.json", "model.safetensors"
Size = Annotated[int, msgspec.Meta(ge=1)]


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the configs: the sizes of a network, and the metadata for its manifest."""


class Network(nn.Module):
    """Base of the networks; a config is all that is needed to construct one."""

    model_type: ClassVar[str]
    config_type: ClassVar[type[Config]]

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config


AnyNetwork = TypeVar("AnyNetwork", bound=Network)


def save(network: Network, folder: Path) -> None:
    """Write a network into an existing folder."""
    config = {"model_type": network.model_type, **msgspec.to_builtins(network.config)}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    # safetensors refuses tensors that are not contiguous in memory.
    weights = {name: weight.detach().contiguous() for name, weight in network.state_dict().items()}
    safetensors.torch.save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def load(network_type: type[AnyNetwork], folder: Path) -> AnyNetwork:
    """Load a network that `save` wrote, in evaluation mode.

    Raises:
        ExportError: config or weights are missing, wrong, or of another network.
    """
    with refusing(f"{folder / CONFIG}: can't be read"):
        stated = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        model_type = stated.pop("model_type", None)
    if model_type != network_type.model_type:
        raise ExportError(f"{folder / CONFIG}: model_type is {model_type!r}, expected {network_type.model_type!r}")
    with refusing(f"{folder / CONFIG}: not a config of {network_type.model_type}"):
        network = network_type(msgspec.convert(stated, network_type.config_type))
    with refusing(f"{folder / WEIGHTS}: not the weights of its config"):
        network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    return network.eval()
