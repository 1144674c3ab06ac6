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

from contracts.model_package.graphs import (
    CrossDecoder,
    CrossSlotDecoder,
    EncoderDecoder,
    EncoderDecoderSlots,
    Generation,
)
from contracts.model_package.manifest import Manifest
from contracts.model_package.tasks import (
    CaptionTask,
    DenoiseTask,
    SummarizeTask,
    Task,
    Text2TextTask,
    TranscribeTask,
    TranslateTask,
)
from contracts.task_names import TaskName
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
_TAKES: dict[TaskName, str] = {"transcribe": "sound", "caption": "pictures"}
_OPTIMUM_TASKS = {"sound": "automatic-speech-recognition", "pictures": "image-to-text", "text": "text2text-generation"}

_TEXT_TASKS: dict[TaskName, Task] = {
    "summarize": SummarizeTask(),
    "denoise": DenoiseTask(),
    "text2text": Text2TextTask(),
}


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
        task=_task(request, config, tokenizer),
        architecture=config.model_type,
        limits=limits,
        prompts={} if config.model_type in _READS else prompts_of(config),
        export={"no_slots": reason} if reason else {},
    )


def _check_task(architecture: str, task: TaskName) -> None:
    reads, takes = _READS.get(architecture, "text"), _TAKES.get(task, "text")
    if reads != takes:
        fitting = next((name for name, taken in _TAKES.items() if taken == reads), "text2text")
        raise ExportError(f"{architecture} reads {reads}, but {task} is for {takes}: give --task {fitting}")


def _task(request: ExportRequest, config: Any, tokenizer: Any) -> Task:
    """Return the task with its tables."""
    source = request.source
    match request.task:
        case "transcribe":
            return TranscribeTask(audio=audio_table(source, config), transcribe=transcribe_table(source))
        case "caption":
            return CaptionTask(image=image_table(source, config.encoder))
        case "translate":
            table = translate_table(tokenizer)
            return TranslateTask(translate=table) if table else TranslateTask()
    return _TEXT_TASKS[request.task]


def _generation(source: Source) -> Generation:
    """Return the source's defaults, which must say how an answer starts."""
    facts = generation_table(source)
    if facts.decoder_start_token_id is None:  # transformers' own rule
        facts = msgspec.structs.replace(facts, decoder_start_token_id=facts.bos_token_id)
    if facts.decoder_start_token_id is None:
        raise ExportError("nothing says which token an answer starts with: set decoder_start_token_id in config.json")
    return facts


def _write_graphs(
    request: ExportRequest, config: Any, folder: Path
) -> tuple[EncoderDecoder | EncoderDecoderSlots, str]:
    """Write the graphs; return their tables, and why they have no slots if they were requested."""
    generation, reason = _generation(request.source), ""
    if request.cache == "slots" and config.model_type not in _READS:
        try:
            export_slots(request.source, folder, opset=request.opset)
            return EncoderDecoderSlots(decoder=_slot_decoder(folder), generation=generation), ""
        except NoSlotsError as error:
            reason = str(error)
    _write_merged(request, config, folder)
    return EncoderDecoder(decoder=_merged_decoder(folder), generation=generation), reason


def _write_merged(request: ExportRequest, config: Any, folder: Path) -> None:
    """Run optimum and keep the encoder and the merged decoder, not the two graphs that it was merged from."""
    task = _OPTIMUM_TASKS[_READS.get(config.model_type, "text")]
    frames = {"nb_max_frames": 2 * config.max_source_positions} if config.model_type == "whisper" else {}
    with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
        run_optimum(request.source, f"{task}-with-past", Path(scratch), opset=request.opset, **frames)
        for name in (ENCODER, DECODER):
            for path in sorted(Path(scratch).glob(f"{name}*")):  # the data of weights above 2 GB lie beside
                shutil.move(path, folder / path.name)


def _slot_decoder(folder: Path) -> CrossSlotDecoder:
    vocabulary, inputs = _logits_and_inputs(folder / SLOT_DECODER)
    return CrossSlotDecoder(vocabulary=vocabulary, attention="group_query", cross_cache=_has_cross_cache(inputs))


def _merged_decoder(folder: Path) -> CrossDecoder:
    """Return the table of a merged decoder.

    Raises:
        ExportError: it takes no mask of its own tokens.
    """
    vocabulary, inputs = _logits_and_inputs(folder / DECODER)
    if "attention_mask" not in inputs:
        raise ExportError(
            "the decoder takes no mask, so its rows would have to start together, and workers let none wait; "
            "onnx_models/architectures/decoder_mask.py lists the architectures that have one"
        )
    return CrossDecoder(vocabulary=vocabulary, cross_cache=_has_cross_cache(inputs))


def _has_cross_cache(inputs: list[str]) -> bool:
    return any(name.endswith(".encoder.key") for name in inputs)


def _logits_and_inputs(path: Path) -> tuple[int, list[str]]:
    """Return the length of a graph's logits, and the names of its inputs."""
    graph = onnx.load(path, load_external_data=False).graph
    logits = next(output for output in graph.output if output.name == "logits")
    return int(logits.type.tensor_type.shape.dim[-1].dim_value), [tensor.name for tensor in graph.input]
