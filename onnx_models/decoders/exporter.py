"""Exports decoders with a key-value cache: one graph for the prompt and for each generated token.

The graph updates its cache in place (`slots`) if the architecture's attention allows it. Otherwise, and with
``--cache concat``, it is optimum's graph (`concat`).
"""

from pathlib import Path

from contracts.model_package.graphs import Decoder, DecoderConcat, DecoderSlots, SlotDecoder
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.tasks import GenerateTask
from onnx_models.decoders.concat import export_concat
from onnx_models.decoders.metadata import max_tokens, write_chat_template
from onnx_models.decoders.parity import compare
from onnx_models.decoders.slots.export import export_slots
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.generation_config import generation_table
from onnx_models.exporting.graph_files import logits_and_inputs
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.optimum_exporter import read_config
from onnx_models.slots.cache import NoSlotsError
from onnx_models.tokenizers.write import write_tokenizer

__all__ = ["compare", "make"]


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write the graph, the tokenizer and, if the source has one, the chat template; return the manifest."""
    source, config = request.source, read_config(request.source)
    # Before the graph is written: it fails at once, and tracing a large model takes minutes.
    limit = max_tokens(config, request.max_tokens)
    graph, reason = _write_graph(request, folder)
    # Decoding is compared as well, since workers stream texts from the same file.
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
    """Return the length of the graph's logits, which can be longer than the tokenizer's vocabulary."""
    return logits_and_inputs(folder / "model.onnx")[0]
