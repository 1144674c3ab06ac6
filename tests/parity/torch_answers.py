"""Answers of transformers and torch, one input at a time; the process of the export environment runs this."""

import inspect
from typing import Any

import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from onnx_models.exporting.sources import open_source

_CLASSES = {"embed": AutoModel, "classify": AutoModelForSequenceClassification}
_POOLING = {
    "mean": lambda vectors: vectors.mean(dim=0),
    "cls": lambda vectors: vectors[0],
    "last_token": lambda vectors: vectors[-1],
}
_FUNCTIONS = {"softmax": lambda scores: scores.softmax(dim=0), "sigmoid": torch.sigmoid, "none": lambda scores: scores}


@torch.inference_mode()
def answers(question: dict[str, Any]) -> list[list[float]]:
    """Return a vector, or the scores in the order of the labels, for each input.

    A question is ``{source, task, pooling, normalize, function, inputs}``.
    """
    folder = open_source(question["source"]).folder
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = _CLASSES[question["task"]].from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    known = inspect.signature(model.forward).parameters
    found = []
    for text in question["inputs"]:
        pair = [text] if isinstance(text, str) else [text["text"], text["text_pair"]]
        encoded = tokenizer(*pair, return_tensors="pt", truncation=False, padding=False)
        output = model(**{name: encoded[name] for name in encoded if name in known})
        if question["task"] == "embed":
            vector = _POOLING[question["pooling"]](output.last_hidden_state[0])
            found.append(torch.nn.functional.normalize(vector, dim=0) if question["normalize"] else vector)
        else:
            found.append(_FUNCTIONS[question["function"]](output.logits[0]))
    return [row.tolist() for row in found]
