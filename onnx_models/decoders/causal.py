"""Decoders with a key-value cache: one graph that reads prompts and writes one token after the other."""

from pathlib import Path

import onnx

from onnx_models.decoders.causal_parity import compare
from onnx_models.decoders.concat import export_concat
from onnx_models.decoders.facts import max_tokens, write_chat_template
from onnx_models.exporter import read_config
from onnx_models.generation import generation_facts
from onnx_models.kind import ExportRequest
from onnx_models.manifest import checksums
from onnx_models.tokenizers.write import write_tokenizer
from workers.runtime.manifest import Batching, Decoder, GraphKind, Limits, Manifest

__all__ = ["compare", "make"]


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx``, ``tokenizer.json`` and maybe ``chat_template.jinja``; see `onnx_models.kind.Kind`."""
    source, config = request.source, read_config(request.source)
    limit = max_tokens(config, request.max_tokens)
    graph = _graph(request, folder)
    write_chat_template(write_tokenizer(source, folder), folder)
    return Manifest(
        name=request.name,
        family="decoder",
        task=request.task,
        graph=graph,
        architecture=config.model_type,
        source=source.name,
        revision=source.revision,
        licence=request.licence or source.licence,
        description=request.description,
        files=checksums(folder),
        limits=Limits(max_tokens=limit),
        batching=Batching(max_batch_tokens=max(Batching().max_batch_tokens, limit)),
        decoder=Decoder(vocabulary=_vocabulary(folder)),
        generation=generation_facts(source),
    )


def _graph(request: ExportRequest, folder: Path) -> GraphKind:
    """Write the graph with the cache that was asked for."""
    export_concat(request.source, folder, opset=request.opset)
    return "decoder-concat"


def _vocabulary(folder: Path) -> int:
    """Return the last dimension of the graph's logits, which a tokenizer's vocabulary need not fill."""
    outputs = onnx.load(folder / "model.onnx", load_external_data=False).graph.output
    logits = next(output for output in outputs if output.name == "logits")
    return int(logits.type.tensor_type.shape.dim[-1].dim_value)
