"""Exports Transformer-XL, a decoder whose cache is a memory of hidden states instead of keys and values.

transformers' own class crashes in the pinned release and is missing from later ones, so the network is ours (`network`)
and loads the original weights. Its graph takes ``input_ids`` int64 [rows, tokens] and ``mems.{i}`` float32
[memory, rows, size], zeros at the start of a text, and returns ``logits`` float32 [rows, 1, vocabulary]
(log-probabilities of the next token) and ``new_mems.{i}`` of the same shape. There is no mask, so all rows of a call
have equally many new tokens. Positions are relative, so the rows' texts may differ in length.
"""

from pathlib import Path

import safetensors.torch
import torch

from contracts.model_package.graphs import DecoderMemory, MemoryDecoder
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.tasks import GenerateTask
from onnx_models.decoders.transformer_xl.network import TransformerXL
from onnx_models.decoders.transformer_xl.parity import compare
from onnx_models.decoders.transformer_xl.sizes import Sizes
from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.generation_config import generation_table
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.optimum_exporter import read_config
from onnx_models.exporting.sources import Source
from onnx_models.exporting.torch_exporter import write_graph
from onnx_models.tokenizers.copying import copy_tokenizer

__all__ = ["compare", "load_network", "make"]
# Longer than 1 each: the tracer would treat an axis of length 1 as broadcast.
_EXAMPLE_ROWS, _EXAMPLE_TOKENS = 2, 3


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx`` and ``tokenizer.json``; return the manifest.

    The architecture has no longest text, so ``max_tokens`` only limits the work of one prompt: by default to the length
    of the memory.
    """
    source = request.source
    if request.task != "generate":
        raise ExportError(f"{source.name}: Transformer-XL generates texts: the task is generate, not {request.task}")
    config = read_config(source)
    sizes = Sizes.of(config)
    _check(source, sizes, config.attn_type)
    # transformers' tokenizer of this architecture exists in Python only, so the source has to bring a tokenizer.json.
    copy_tokenizer(source, folder, vocabulary=sizes.vocab_size)
    _write(load_network(source, sizes), sizes, folder / "model.onnx", request.opset)
    limit = request.max_tokens or sizes.mem_len
    return manifest_of(
        request,
        folder,
        graph=DecoderMemory(
            decoder=MemoryDecoder(vocabulary=sizes.vocab_size, memory=sizes.mem_len),
            generation=generation_table(source),
        ),
        task=GenerateTask(),
        architecture=config.model_type,
        limits=Limits(max_tokens=limit),
    )


def load_network(source: Source, sizes: Sizes) -> TransformerXL:
    """Return our network with the source's weights.

    Raises:
        ExportError: the weights are not those of such a network.
    """
    stored: dict[str, torch.Tensor] = {}
    with refusing(f"{source.name}: its weights can't be read"):
        for path in sorted(source.folder.glob("*.safetensors")):
            stored |= safetensors.torch.load_file(path)
    network = TransformerXL(sizes)
    names = network.state_dict()
    found = {name: stored.get(name, stored.get(_twin(name, sizes))) for name in names}
    missing = sorted(name for name, weight in found.items() if weight is None)
    if missing:
        raise ExportError(f"{source.name}: its weights lack {', '.join(missing[:3])}")
    with refusing(f"{source.name}: its weights are not those of its config"):
        # Published weights may be fp16; graphs are exported in fp32 first, whatever the precision.
        network.load_state_dict({name: weight.float() for name, weight in found.items() if weight is not None})
    return network.eval()


def _twin(name: str, sizes: Sizes) -> str:
    """Return the name under which a tied weight is stored: files hold shared weights once."""
    if name.startswith("crit.out_layers"):
        return name.replace("crit.out_layers", "transformer.word_emb.emb_layers")
    if name.startswith("crit.out_projs"):
        cluster = name.rsplit(".", 1)[1] if sizes.div_val > 1 else "0"
        return f"transformer.word_emb.emb_projs.{cluster}"
    return f"transformer.{name.rsplit('.', 1)[1]}"  # r_w_bias and r_r_bias, if the layers share them


def _check(source: Source, sizes: Sizes, attention: int) -> None:
    """Raise ExportError for variants that the network does not implement."""
    if attention != 0:
        raise ExportError(f"{source.name}: attn_type {attention}; only 0, the paper's relative attention, is supported")
    if sizes.mem_len < 1:
        raise ExportError(f"{source.name}: mem_len is {sizes.mem_len}; a graph needs a memory of at least 1 token")


def _write(network: TransformerXL, sizes: Sizes, path: Path, opset: int | None) -> None:
    ids = torch.zeros(_EXAMPLE_ROWS, _EXAMPLE_TOKENS, dtype=torch.int64)
    memory = torch.zeros(sizes.mem_len, _EXAMPLE_ROWS, sizes.d_model)
    layers = range(sizes.n_layer)
    write_graph(
        network,
        path,
        inputs={
            "input_ids": (ids, {0: "batch_size", 1: "sequence_length"}),
            **{f"mems.{layer}": (memory, {1: "batch_size"}) for layer in layers},
        },
        outputs={"logits": {0: "batch_size"}, **{f"new_mems.{layer}": {1: "batch_size"} for layer in layers}},
        opset=opset,
    )
