"""Decoders with a key-value cache: one graph that reads prompts and writes one token after the other.

The graph keeps its cache in place (`slots`) where the architecture's attention allows it; where not, or where that was
asked for, it is optimum's (`concat`).
"""

from pathlib import Path

import onnx

from contracts.model_package.graphs import Decoder, DecoderConcat, DecoderSlots, SlotDecoder
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.tasks import GenerateTask
from onnx_models.decoders.concat import export_concat
from onnx_models.decoders.metadata import max_tokens, write_chat_template
from onnx_models.decoders.parity import compare
from onnx_models.decoders.slots.export import export_slots
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.generation_config import generation_table
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.optimum_exporter import read_config
from onnx_models.slots.cache import NoSlotsError
from onnx_models.tokenizers.write import write_tokenizer

__all__ = ["compare", "make"]


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write the graph, the tokenizer and, if the source has one, the chat template; see `exporters.Exporter`."""
    source, config = request.source, read_config(request.source)
    limit = max_tokens(config, request.max_tokens)
    graph, reason = _write_graph(request, folder)
    write_chat_template(write_tokenizer(source, folder, decodes=True), folder)
    return manifest_of(
        request,
        folder,
        graph=graph,
        task=GenerateTask(),
        architecture=config.model_type,
        limits=Limits(max_tokens=limit),
        export={"no_slots": reason} if reason else {},
    )


def _write_graph(request: ExportRequest, folder: Path) -> tuple[DecoderSlots | DecoderConcat, str]:
    """Write the graph; return its tables, and why it has no slots if they were requested."""
    generation, reason = generation_table(request.source), ""
    if request.cache == "slots":
        try:
            export_slots(request.source, folder, opset=request.opset)
            decoder = SlotDecoder(vocabulary=_vocabulary(folder), attention="group_query")
            return DecoderSlots(decoder=decoder, generation=generation), ""
        except NoSlotsError as error:
            reason = str(error)
    export_concat(request.source, folder, opset=request.opset)
    return DecoderConcat(decoder=Decoder(vocabulary=_vocabulary(folder)), generation=generation), reason


def _vocabulary(folder: Path) -> int:
    """Return the last dimension of the graph's logits, which a tokenizer's vocabulary need not fill."""
    outputs = onnx.load(folder / "model.onnx", load_external_data=False).graph.output
    logits = next(output for output in outputs if output.name == "logits")
    return int(logits.type.tensor_type.shape.dim[-1].dim_value)
