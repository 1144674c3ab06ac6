"""Exports encoder-decoders of texts, recordings and images.

The package of a model of texts has the slot graphs of `onnx_models.seq2seq.slots` if the architecture's attention
allows them; if not, [export] gives the reason. Any other package, and every one with ``--cache concat``, has
``encoder_model.onnx`` and ``decoder_model_merged.onnx`` as optimum writes them. The merged decoder has two branches
over one copy of the weights: ``use_cache_branch`` is false for the first tokens of a row and true for later ones, one
or several per call. Rows may have pasts of different length (`onnx_models.architectures.decoder_mask`). ONNX Runtime
prepacks weights once for each branch, so a session over this graph should set ``session.disable_prepacking`` to 1,
which halves its memory.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec

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
from onnx_models.exporting.graph_files import logits_and_inputs
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
_MODALITIES = {"whisper": "audio", "vision-encoder-decoder": "images"}
"""Inputs of the architectures that do not take texts."""
_TASK_MODALITIES: dict[TaskName, str] = {"transcribe": "audio", "caption": "images"}
_OPTIMUM_TASKS = {"audio": "automatic-speech-recognition", "images": "image-to-text", "text": "text2text-generation"}

_TEXT_TASKS: dict[TaskName, Task] = {
    "summarize": SummarizeTask(),
    "denoise": DenoiseTask(),
    "text2text": Text2TextTask(),
}


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write both graphs and ``tokenizer.json``; return the manifest."""
    source, config = request.source, read_config(request.source)
    _check_task(config.model_type, request.task)
    limits = limits_of(request, config)
    # Before the graphs: it is quick, and often the reason why a model can't be served.
    tokenizer = write_tokenizer(source, folder, decodes=True)
    graph, reason = _write_graphs(request, config, folder)
    return manifest_of(
        request,
        folder,
        graph=graph,
        task=_task(request, config, tokenizer),
        architecture=config.model_type,
        limits=limits,
        prompts={} if config.model_type in _MODALITIES else prompts_of(config),
        export={"no_slots": reason} if reason else {},
    )


def _check_task(architecture: str, task: TaskName) -> None:
    of_model, of_task = _MODALITIES.get(architecture, "text"), _TASK_MODALITIES.get(task, "text")
    if of_model != of_task:
        fitting = next((name for name, modality in _TASK_MODALITIES.items() if modality == of_model), "text2text")
        raise ExportError(f"{architecture} takes {of_model}, but {task} is for {of_task}: give --task {fitting}")


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
    """Return the source's defaults of generation, which must include the decoder's start token."""
    generation = generation_table(source)
    if generation.decoder_start_token_id is None:  # transformers falls back to the BOS token, too
        generation = msgspec.structs.replace(generation, decoder_start_token_id=generation.bos_token_id)
    if generation.decoder_start_token_id is None:
        raise ExportError("the source states no start token of the decoder: set decoder_start_token_id in config.json")
    return generation


def _write_graphs(
    request: ExportRequest, config: Any, folder: Path
) -> tuple[EncoderDecoder | EncoderDecoderSlots, str]:
    """Write the graphs; return their tables, and why they have no slots if they were requested."""
    generation, reason = _generation(request.source), ""
    # The encoder of a slot graph takes token ids and a mask; audio and images keep optimum's graphs.
    if request.cache == "slots" and config.model_type not in _MODALITIES:
        try:
            export_slots(request.source, folder, opset=request.opset)
            return EncoderDecoderSlots(decoder=_slot_decoder(folder), generation=generation), ""
        except NoSlotsError as error:
            reason = str(error)
    _write_merged(request, config, folder)
    return EncoderDecoder(decoder=_merged_decoder(folder), generation=generation), reason


def _write_merged(request: ExportRequest, config: Any, folder: Path) -> None:
    """Run optimum and keep the encoder and the merged decoder, not the two graphs that it was merged from."""
    task = _OPTIMUM_TASKS[_MODALITIES.get(config.model_type, "text")]
    # The number of frames is fixed in the graph. optimum assumes that of the published Whisper models.
    frames = {"nb_max_frames": 2 * config.max_source_positions} if config.model_type == "whisper" else {}
    with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
        run_optimum(request.source, f"{task}-with-past", Path(scratch), opset=request.opset, **frames)
        # The other two decoders have the same weights again, so the package would be about three times as large.
        for name in (ENCODER, DECODER):
            for path in sorted(Path(scratch).glob(f"{name}*")):  # with *_data above 2 GB
                shutil.move(path, folder / path.name)


def _slot_decoder(folder: Path) -> CrossSlotDecoder:
    vocabulary, inputs = logits_and_inputs(folder / SLOT_DECODER)
    return CrossSlotDecoder(vocabulary=vocabulary, attention="group_query", cross_cache=_has_cross_cache(inputs))


def _merged_decoder(folder: Path) -> CrossDecoder:
    """Return the table of a merged decoder.

    Raises:
        ExportError: it takes no mask of the decoder's tokens.
    """
    vocabulary, inputs = logits_and_inputs(folder / DECODER)
    if "attention_mask" not in inputs:
        raise ExportError(
            "the decoder takes no mask, so all rows of a batch would have to start in the same step, which workers do "
            "not do; onnx_models/architectures/decoder_mask.py lists the architectures that have a mask"
        )
    return CrossDecoder(vocabulary=vocabulary, cross_cache=_has_cross_cache(inputs))


def _has_cross_cache(inputs: list[str]) -> bool:
    return any(name.endswith(".encoder.key") for name in inputs)
