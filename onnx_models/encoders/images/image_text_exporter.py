"""Exports image-text models, which score how well texts match an image: both towers of CLIP in one graph."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import torch
from transformers import AutoModelForZeroShotImageClassification

from contracts.model_package.graphs import ImageText
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import ZeroShotImageTask
from onnx_models.encoders import metadata
from onnx_models.encoders.graph import width_of, write_graph
from onnx_models.encoders.images.metadata import image_table
from onnx_models.encoders.images.parity import preprocess_both_ways, random_pixels
from onnx_models.encoders.images.served import Floats
from onnx_models.encoders.texts.parity import checked_texts, random_rows
from onnx_models.encoders.texts.served import Outputs, Row, open_tokenizer, padded, served_row
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.loading import load_model
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.optimum_exporter import read_config
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.write import load_tokenizer, write_tokenizer
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.session import open_session, run_graph

_OUTPUTS = ("logits_per_image", "logits_per_text", "text_embeds", "image_embeds")


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx`` and ``tokenizer.json``; return the manifest."""
    source, config = request.source, read_config(request.source)
    limit = metadata.max_tokens(source, config.text_config, request.max_tokens)
    image = image_table(source, config.vision_config)
    write_graph(request, config.model_type, "zero-shot-image-classification", folder)
    # Called for its check of the outputs; the manifest of this kind has no width.
    width_of(folder, _OUTPUTS)
    write_tokenizer(source, folder)
    return manifest_of(
        request,
        folder,
        graph=ImageText(),
        task=ZeroShotImageTask(image=image),
        architecture=config.model_type,
        limits=Limits(max_tokens=limit),
    )


class _Served:
    """A session over the package's graph."""

    def __init__(self, package: ModelPackage) -> None:
        self._session = open_session(package)

    def run(self, rows: Sequence[Row], pixels: Floats) -> Outputs:
        """Run all texts with all images; return the outputs by name, logits as [images, texts] and [texts, images]."""
        return run_graph(self._session, {**padded(rows), "pixel_values": pixels})


class _Reference:
    """transformers' tokenizer and torch."""

    def __init__(self, source: Source) -> None:
        self.tokenizer = load_tokenizer(source)
        self._model = load_model(AutoModelForZeroShotImageClassification, source)

    @torch.inference_mode()
    def run(self, rows: Sequence[Row], pixels: Floats) -> Outputs:
        """Run all texts with all images in torch; return the same outputs as `_Served`."""
        texts = self.tokenizer.pad({"input_ids": [row.ids for row in rows]}, padding_side="right", return_tensors="pt")
        output = self._model(
            input_ids=texts["input_ids"],
            attention_mask=texts["attention_mask"],
            pixel_values=torch.from_numpy(pixels),
        )
        return {name: output[name].numpy() for name in _OUTPUTS}


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare batches of random texts and images, each row also alone; then sample texts and images."""
    served, reference, manifest = _Served(package), _Reference(source), package.manifest
    image = manifest.task_as(ZeroShotImageTask).image
    found, tokenizer = Comparison(), open_tokenizer(package)
    # CLIP takes the embedding of the end token, so random rows must have one.
    batches = random_rows(reference.tokenizer, tokenizer.get_vocab_size(), manifest.limits.max_tokens, with_end=True)
    # The numbers of texts and images differ, since the graph has an axis for each.
    for rows, pixels in zip(batches, cycle(random_pixels(image))):
        batched = served.run(rows, pixels)
        _add(found, batched, reference.run(rows, pixels))
        _add_batched(found, served, batched, rows, pixels)
    texts = [served_row(tokenizer, text) for text in checked_texts(manifest, tokenizer, reference.tokenizer)]
    pixels = preprocess_both_ways(image, source, found)
    _add(found, served.run(texts, pixels), reference.run(texts, pixels))
    found.note("texts", len(texts))
    return found


def _add(found: Comparison, served: Outputs, reference: Outputs) -> None:
    for name in _OUTPUTS:
        found.add(served[name], reference[name])


def _add_batched(found: Comparison, served: _Served, batched: Outputs, rows: Sequence[Row], pixels: Floats) -> None:
    """Run each text and each image in a batch of one text and one image."""
    for index in range(max(len(rows), len(pixels))):
        text, image = index % len(rows), index % len(pixels)
        alone = served.run([rows[text]], pixels[image : image + 1])
        found.add_batched(alone["text_embeds"][0], batched["text_embeds"][text])
        found.add_batched(alone["image_embeds"][0], batched["image_embeds"][image])
        found.add_batched(alone["logits_per_image"][0, 0], batched["logits_per_image"][image, text])
