"""Encoder-decoders: texts, recordings and pictures read at once, texts written token by token.

A package of a model that reads texts holds the slot graphs of `onnx_models.seq2seq.slots` where the architecture's
attention allows them; if not, [export] says why. Any other, and one that is asked for with ``cache = "concat"``, holds
``encoder_model.onnx`` and ``decoder_model_merged.onnx`` as optimum writes them. The merged decoder has two branches
over one copy of the weights: ``use_cache_branch`` false for a row's first tokens, true for all that follow, one or
several at a time. Its rows may be of any age (`onnx_models.architectures.decoder_mask`). ONNX Runtime packs weights
once for each branch, so a session over this graph should set ``session.disable_prepacking`` to 1: that halves what it
holds.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import onnx

from contracts.model_package.manifest import Decoder, Generation, GraphKind, Manifest, Task
from onnx_models.encoders.images.metadata import image_table
from onnx_models.errors import ExportError
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.generation_config import generation_table
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.optimum_exporter import read_config, run_optimum
from onnx_models.exporting.sources import Source
from onnx_models.seq2seq.languages import translate_table
from onnx_models.seq2seq.metadata import audio_table, limits_of, prompts_of, transcribe_table
from onnx_models.seq2seq.parity import compare
from onnx_models.seq2seq.served import DECODER, ENCODER
from onnx_models.seq2seq.served_slots import DECODER as SLOT_DECODER
from onnx_models.seq2seq.slots.export import export_slots
from onnx_models.slots.cache import NoSlotsError
from onnx_models.tokenizers.write import write_tokenizer

__all__ = ["compare", "make"]
_READS = {"whisper": "sound", "vision-encoder-decoder": "pictures"}
_TAKES: dict[Task, str] = {"transcribe": "sound", "caption": "pictures"}
_OPTIMUM_TASKS = {"sound": "automatic-speech-recognition", "pictures": "image-to-text", "text": "text2text-generation"}


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write both graphs and ``tokenizer.json``; see `onnx_models.exporting.exporters.Exporter`."""
    source, config = request.source, read_config(request.source)
    _check_task(config.model_type, request.task)
    limits = limits_of(request, config)
    tokenizer = write_tokenizer(source, folder, decodes=True)
    graph, reason = _write_graphs(request, config, folder)
    return manifest_of(
        request,
        folder,
        graph=graph,
        architecture=config.model_type,
        limits=limits,
        decoder=_read_decoder(folder, graph),
        generation=_generation(source),
        export={"no_slots": reason} if reason else {},
        **_tables(request, config, tokenizer),
    )


def _check_task(architecture: str, task: Task) -> None:
    reads, takes = _READS.get(architecture, "text"), _TAKES.get(task, "text")
    if reads != takes:
        fitting = next((name for name, taken in _TAKES.items() if taken == reads), "text2text")
        raise ExportError(f"{architecture} reads {reads}, but {task} is for {takes}: give --task {fitting}")


def _tables(request: ExportRequest, config: Any, tokenizer: Any) -> dict[str, Any]:
    """Return the manifest's tables that only some tasks have, as keyword arguments."""
    if request.task == "transcribe":
        return {"audio": audio_table(request.source, config), "transcribe": transcribe_table(request.source)}
    if request.task == "caption":
        return {"image": image_table(request.source, config.encoder)}
    translate = translate_table(tokenizer) if request.task == "translate" else None
    return {"translate": translate, "prompts": prompts_of(config)}


def _generation(source: Source) -> Generation:
    """Return the source's defaults, which must say how an answer starts."""
    facts = generation_table(source)
    if facts.decoder_start_token_id is None:  # transformers' own rule
        facts = msgspec.structs.replace(facts, decoder_start_token_id=facts.bos_token_id)
    if facts.decoder_start_token_id is None:
        raise ExportError("nothing says which token an answer starts with: set decoder_start_token_id in config.json")
    return facts


def _write_graphs(request: ExportRequest, config: Any, folder: Path) -> tuple[GraphKind, str]:
    """Write the graphs; return their kind, and why they are not those with slots if these were wanted."""
    reason = ""
    if request.cache == "slots" and config.model_type not in _READS:
        try:
            export_slots(request.source, folder, opset=request.opset)
            return "encoder-decoder-slots", ""
        except NoSlotsError as error:
            reason = str(error)
    _write_merged(request, config, folder)
    return "encoder-decoder", reason


def _write_merged(request: ExportRequest, config: Any, folder: Path) -> None:
    """Run optimum and keep the encoder and the merged decoder, not the two graphs that it was merged from."""
    task = _OPTIMUM_TASKS[_READS.get(config.model_type, "text")]
    frames = {"nb_max_frames": 2 * config.max_source_positions} if config.model_type == "whisper" else {}
    with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
        run_optimum(request.source, f"{task}-with-past", Path(scratch), opset=request.opset, **frames)
        for name in (ENCODER, DECODER):
            for path in sorted(Path(scratch).glob(f"{name}*")):  # the data of weights above 2 GB lie beside
                shutil.move(path, folder / path.name)


def _read_decoder(folder: Path, kind: GraphKind) -> Decoder:
    """Return how long the decoder's logits are, and which attention and caches it has.

    Raises:
        ExportError: a merged decoder takes no mask of its own tokens.
    """
    slots = kind == "encoder-decoder-slots"
    graph = onnx.load(folder / (SLOT_DECODER if slots else DECODER), load_external_data=False).graph
    inputs = [tensor.name for tensor in graph.input]
    if not slots and "attention_mask" not in inputs:
        raise ExportError(
            "the decoder takes no mask, so its rows would have to start together, and workers let none wait; "
            "onnx_models/architectures/decoder_mask.py lists the architectures that have one"
        )
    logits = next(output for output in graph.output if output.name == "logits")
    return Decoder(
        vocabulary=int(logits.type.tensor_type.shape.dim[-1].dim_value),
        attention="group_query" if slots else None,
        cross_cache=any(name.endswith(".encoder.key") for name in inputs),
    )
