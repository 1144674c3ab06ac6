"""Exports LSTM encoder-decoders with attention: one graph for the source, and one for a decode step.

``encoder_model.onnx`` returns all inputs of ``decoder_model.onnx`` except for the token; hidden and cell state are
passed from step to step. Rows of one call may have outputs of different length and, with a mask, sources of different
length.
"""

from pathlib import Path

import torch

from contracts.model_package.graphs import Generation, Recurrent
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.tasks import DenoiseTask, Task, Text2TextTask, TranslateTask
from contracts.task_names import TaskName
from onnx_models.classic.networks.lstm_attention import LstmAttention
from onnx_models.classic.recurrent.parity import compare
from onnx_models.classic.requests import longest_input, open_network
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.torch_exporter import Axes, write_graph
from onnx_models.tokenizers.copying import copy_tokenizer

__all__ = ["compare", "make"]
_TASKS: dict[TaskName, Task] = {"text2text": Text2TextTask(), "translate": TranslateTask(), "denoise": DenoiseTask()}
_ROWS, _BY_TOKEN, _BY_ROW = 2, {0: "batch_size", 1: "sequence_length"}, {0: "batch_size"}
_SOURCE: dict[str, Axes] = {"encoder_hidden_states": _BY_TOKEN, "attention_keys": _BY_TOKEN}
_STATE: dict[str, Axes] = {"hidden": _BY_ROW, "cell": _BY_ROW}


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write both graphs and ``tokenizer.json``; return the manifest."""
    network, config = open_network(request, LstmAttention, tuple(_TASKS))
    copy_tokenizer(request.source, folder, vocabulary=config.vocab_size)
    _write(network, folder, request.opset)
    limit = longest_input(request, config.max_tokens)
    return manifest_of(
        request,
        folder,
        graph=Recurrent(
            generation=Generation(
                decoder_start_token_id=config.decoder_start_token_id,
                eos_token_ids=[config.eos_token_id],
                pad_token_id=config.pad_token_id,
            )
        ),
        task=_TASKS[request.task],
        architecture=network.model_type,
        limits=Limits(max_tokens=limit, max_new_tokens=config.max_new_tokens),
    )


def _write(network: LstmAttention, folder: Path, opset: int | None) -> None:
    ids = torch.zeros(_ROWS, 3, dtype=torch.int64)
    mask = torch.ones_like(ids)
    # The decoder's example inputs have the shapes of the encoder's outputs.
    with torch.inference_mode():
        encoded = dict(zip([*_SOURCE, *_STATE], network.encoder(ids, mask), strict=True))
    write_graph(
        network.encoder,
        folder / "encoder_model.onnx",
        inputs={"input_ids": (ids, _BY_TOKEN), "attention_mask": (mask, _BY_TOKEN)},
        outputs=_SOURCE | _STATE,
        opset=opset,
    )
    write_graph(
        network.decoder,
        folder / "decoder_model.onnx",
        inputs={
            "input_ids": (ids[:, :1], _BY_ROW),
            "encoder_attention_mask": (mask, _BY_TOKEN),
            **{name: (encoded[name], axes) for name, axes in (_SOURCE | _STATE).items()},
        },
        outputs={"logits": _BY_ROW, **{f"new_{name}": axes for name, axes in _STATE.items()}},
        opset=opset,
    )
