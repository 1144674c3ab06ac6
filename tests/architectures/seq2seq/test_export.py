"""Export of encoder-decoders: masks, metadata of each modality, and sources that are refused.

Graphs are the merged ones; test_seq2seq_slots.py has the others.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from contracts.model_package.graphs import CrossDecoder, EncoderDecoder, Generation
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.package import ModelPackage, load_package
from contracts.model_package.tasks import ImageTask, TranscribeTask, Translate, TranslateTask
from contracts.task_names import TaskName
from onnx_models.errors import ExportError, ParityError
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.manifest_writer import write_manifest
from onnx_models.exporting.optimum_exporter import read_config
from onnx_models.exporting.sources import Source, open_source
from onnx_models.seq2seq import exporter as encoder_decoder
from onnx_models.seq2seq import parity
from onnx_models.seq2seq.generation import generate
from onnx_models.seq2seq.languages import translate_table
from onnx_models.seq2seq.metadata import prompts_of
from onnx_models.seq2seq.reference import ReferenceEncoderDecoder
from onnx_models.seq2seq.samples import sample_batches
from onnx_models.seq2seq.served import Floats, ServedEncoderDecoder
from onnx_models.verification.verify import verify
from tests.architectures.cases import seq2seq
from workers.runtime.inference.session import open_graphs

MakePackage = Callable[[str, TaskName], ModelPackage]
ALIKE = 1e-3
"""Largest difference by rounding; logits of a wrong graph differ by 0.02 and more."""


@pytest.fixture(scope="module")
def package_of(source_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> MakePackage:
    """Return an unverified package with a merged decoder, exported on first use."""
    made: dict[str, ModelPackage] = {}

    def make(build: str, task: TaskName) -> ModelPackage:
        if build not in made:
            folder = tmp_path_factory.mktemp("packages") / "package"
            folder.mkdir()
            request = request_for(open_source(str(source_of(build))), task, folder.parent, cache="concat")
            write_manifest(folder, encoder_decoder.make(request, folder))
            made[build] = load_package(folder)
        return made[build]

    return make


def request_for(source: Source, task: TaskName, output: Path, **options: Any) -> ExportRequest:
    return ExportRequest(source=source, task=task, name="tiny", output=output, **options)


class Spoiled(ServedEncoderDecoder):
    """Feeds wrong inputs to the decoder."""

    spoil: Callable[[dict[str, Any]], object]

    def _feed(self, *arguments: Any) -> dict[str, Any]:
        feed = super()._feed(*arguments)
        self.spoil(feed)
        return feed


def see_padding_of(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda feed: feed[name].fill(1)


def written_together(served: ServedEncoderDecoder, inputs: list[Any]) -> list[Floats]:
    """Return the logits of rows that start three steps apart and are fed the same tokens in every batch."""
    hidden = [served.encode([each])[0] for each in inputs]
    forced = [list(range(5, 17))] * len(inputs)
    return generate(served, hidden, parity.prefix_of(served.manifest), 12, steps_apart=3, forced=forced)[1]


@pytest.mark.parametrize(
    ("build", "task", "wrong"),
    [
        ("seq2seq:t5", "summarize", "attention_mask"),
        ("seq2seq:t5", "summarize", "encoder_attention_mask"),
        ("seq2seq:bart", "denoise", "attention_mask"),
        ("seq2seq:bart", "denoise", "encoder_attention_mask"),
        ("seq2seq:m2m100", "translate", "attention_mask"),
        ("seq2seq:bert_gpt2", "summarize", "attention_mask"),
        ("seq2seq:bert_gpt2", "summarize", "encoder_attention_mask"),
        ("speech:whisper", "transcribe", "attention_mask"),
        ("captions:vit_trocr", "caption", "attention_mask"),
    ],
)
def test_a_wrong_mask_changes_the_logits_of_rows_of_different_length(
    package_of: MakePackage, build: str, task: TaskName, wrong: str
) -> None:
    package = package_of(build, task)
    served, spoiled = ServedEncoderDecoder(package), Spoiled(package)
    spoiled.spoil = see_padding_of(wrong)
    rng = np.random.default_rng(1)
    shape = [dim if isinstance(dim, int) else 16 for dim in served.input_shape()[1:]]
    if isinstance(package.manifest.task, ImageTask):
        shape[0] = len(package.manifest.task.image.mean)
    texts = [rng.integers(5, 40, size).tolist() for size in (4, 11, 7)]
    inputs = texts if len(shape) == 1 else list(rng.standard_normal((3, *shape), dtype=np.float32))

    isolated = [written_together(served, [each])[0] for each in inputs]
    together, wrongly = written_together(served, inputs), written_together(spoiled, inputs)

    assert max(np.abs(one - other).max() for one, other in zip(isolated, together, strict=True)) < ALIKE
    # The first row is the oldest, so its own cache needs no padding, and the second has the longest source.
    off = [float(np.abs(one - other).max()) for one, other in zip(isolated, wrongly, strict=True)]
    assert sorted(off)[-2] > 20 * ALIKE


@pytest.mark.parametrize("case", seq2seq.CASES, ids=lambda case: case.id)
def test_outputs_of_the_tiny_models_differ(case: Any, source_of: Callable[[str], Path]) -> None:
    """A model that repeats one token, or has the same output for every input, would agree with any other."""
    reference = ReferenceEncoderDecoder(open_source(str(source_of(case.build))), case.task)
    rng = np.random.default_rng(2)
    texts: list[Any] = [rng.integers(5, 200, size).tolist() for size in (5, 17, 30, 9)]
    shape = {"transcribe": (16, 100), "caption": (3, 16, 16)}.get(case.task)
    inputs = texts if shape is None else list(rng.standard_normal((4, *shape), dtype=np.float32))
    start = reference._model.generation_config.decoder_start_token_id

    answers = [reference.greedy(each, [start], 16, reference.tokenizer.pad_token_id) for each in inputs]

    assert len({token for answer in answers for token in answer}) >= 4
    assert len({tuple(answer) for answer in answers}) >= 2


def test_other_weights_do_not_pass_the_comparison(
    package_of: MakePackage, source_of: Callable[[str], Path], tmp_path: Path
) -> None:
    other = copied(source_of("seq2seq:t5"), tmp_path / "source", {})
    weights = load_file(other.folder / "model.safetensors")
    weights["decoder.final_layer_norm.weight"] *= 1.01
    save_file(weights, other.folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ParityError, match="differ by"):
        verify(package_of("seq2seq:t5", "summarize"), other)


@pytest.mark.parametrize(
    ("build", "task", "files", "cross_cache"),
    [
        ("seq2seq:t5", "summarize", [], True),
        ("seq2seq:m2m100", "translate", ["pieces.json"], True),
        ("seq2seq:bert_gpt2", "summarize", [], False),
        ("speech:whisper", "transcribe", [], True),
        ("captions:vit_trocr", "caption", [], True),
    ],
)
def test_a_package_has_two_graphs_with_the_tensors_of_a_worker(
    package_of: MakePackage, build: str, task: TaskName, files: list[str], cross_cache: bool
) -> None:
    package = package_of(build, task)
    graphs = ["decoder_model_merged.onnx", "encoder_model.onnx"]
    assert sorted(package.manifest.files) == sorted([*graphs, "tokenizer.json", *files])
    assert sorted(open_graphs(package, device="cpu", threads=1)) == graphs
    assert package.manifest.graph_as(EncoderDecoder).decoder.cross_cache == cross_cache


@pytest.mark.parametrize(
    ("build", "task", "limits"),
    [
        ("seq2seq:t5", "summarize", (64, 64)),  # no table: what its tokenizer was made for
        ("seq2seq:bart", "denoise", (64, 64)),
        ("seq2seq:bert_gpt2", "summarize", (64, 48)),
        ("speech:whisper", "transcribe", (50, 40)),
        ("captions:vit_trocr", "caption", (17, 40)),
    ],
)
def test_limits_are_those_of_the_encoder_and_the_decoder(
    package_of: MakePackage, build: str, task: TaskName, limits: tuple[int, int]
) -> None:
    manifest = package_of(build, task).manifest
    assert manifest.limits == Limits(max_tokens=limits[0], max_new_tokens=limits[1])


def test_the_manifest_of_whisper_states_audio_and_tokens(package_of: MakePackage) -> None:
    manifest = package_of("speech:whisper", "transcribe").manifest
    task = manifest.task_as(TranscribeTask)
    audio, told = task.audio, task.transcribe
    assert (audio.sampling_rate, audio.features, audio.num_mel_bins, audio.num_frames) == (16000, "log_mel", 16, 100)
    assert told.languages == {"en": 2, "fr": 3}
    assert (told.transcribe_token_id, told.translate_token_id, told.no_timestamps_token_id) == (5, 4, 6)
    assert parity.prefix_of(manifest) == [1, 3, 5, 6]


def test_prefixes_of_t5_are_in_the_manifest(source_of: Callable[[str], Path]) -> None:
    assert prompts_of(read_config(open_source(str(source_of("seq2seq:t5"))))) == {"summarization": "summarize: "}


@pytest.mark.parametrize(
    ("build", "place", "default", "language"),
    [
        ("m2m100", "prefix", "en", "sw"),
        ("nllb", "prefix", "eng_Latn", "zul_Latn"),
        ("nllb_legacy", "suffix", "eng_Latn", "zul_Latn"),
        ("mbart", "prefix", "en_XX", "sl_SI"),
    ],
)
def test_languages_of_a_multilingual_model_are_in_the_manifest(
    source_of: Callable[[str], Path], build: str, place: str, default: str, language: str
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(source_of(f"seq2seq:{build}"))
    facts = translate_table(tokenizer)
    assert facts is not None
    assert (facts.source, facts.default_source, facts.target) == (place, default, "forced_bos")
    token = "__sw__" if language == "sw" else language
    assert facts.languages[language] == tokenizer.convert_tokens_to_ids(token) != tokenizer.unk_token_id
    assert len(facts.languages) >= 50


def test_marian_selects_the_target_language_before_the_text_or_not_at_all(source_of: Callable[[str], Path]) -> None:
    many = AutoTokenizer.from_pretrained(source_of("seq2seq:marian_many"))
    codes = ("cmn_Hans", "deu", "fra")
    languages = {code: many.convert_tokens_to_ids(f">>{code}<<") for code in codes}
    assert translate_table(many) == Translate(languages=languages, target="source_prefix")
    one = source_of("seq2seq:marian")
    assert translate_table(AutoTokenizer.from_pretrained(one)) is None
    named = AutoTokenizer.from_pretrained(one, source_lang="en", target_lang="de")
    assert translate_table(named) == Translate(reads=["en"], writes=["de"])


def test_the_first_mbart_starts_with_the_target_language() -> None:
    manifest = Manifest(
        name="tiny", family="seq2seq", source="x", revision="1", licence="mit", files={}, limits=Limits(max_tokens=8),
        graph=EncoderDecoder(decoder=CrossDecoder(vocabulary=9), generation=Generation(decoder_start_token_id=2)),
        task=TranslateTask(
            translate=Translate(languages={"en": 4, "fr": 5}, source="suffix", target="decoder_start")
        ),
    )  # fmt: skip
    assert parity.prefix_of(manifest) == [5]


@pytest.mark.parametrize(
    ("build", "task"),
    [("seq2seq:nllb_legacy", "translate"), ("captions:vit_trocr_sinusoids", "caption"), ("seq2seq:mbart", "denoise")],
)
def test_variants_of_an_architecture_pass_too(
    source_of: Callable[[str], Path], build: str, task: TaskName, tmp_path: Path
) -> None:
    manifest = export_package(request_for(open_source(str(source_of(build))), task, tmp_path)).manifest
    assert manifest.verified["relative_diff"] <= 1e-4 and manifest.verified["same_tokens"] == 1.0


@pytest.mark.parametrize(
    ("build", "task", "options", "said"),
    [
        ("speech:whisper", "translate", {}, "whisper takes audio, but translate is for text: give --task transcribe"),
        ("seq2seq:t5", "caption", {}, "t5 takes text, but caption is for images: give --task text2text"),
        ("captions:vit_gpt2", "transcribe", {}, "vision-encoder-decoder takes images, but transcribe is for audio"),
        ("speech:whisper", "transcribe", {"max_tokens": 9}, "all inputs of whisper have 50 positions"),
        ("seq2seq:bart", "denoise", {"max_tokens": 65}, "positions for 64 tokens only"),
        ("seq2seq:blenderbot_small", "text2text", {"cache": "concat"}, "the decoder takes no mask"),
    ],
)
def test_a_source_that_does_not_fit_the_task_is_refused(
    source_of: Callable[[str], Path], build: str, task: TaskName, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=said):
        export_package(request_for(open_source(str(source_of(build))), task, tmp_path, **options))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("preprocessor_config.json", {"chunk_length": 2}, "16 bins of 200 frames, but the encoder takes 16 of 100"),
        ("preprocessor_config.json", {"feature_size": 80}, "80 bins of 100 frames"),
        ("preprocessor_config.json", {"dither": 0.1}, "dithers"),
        ("generation_config.json", {"no_timestamps_token_id": None}, "it is outdated"),
    ],
)
def test_a_whisper_with_files_of_another_model_is_refused(
    source_of: Callable[[str], Path], file: str, changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    source = copied(source_of("speech:whisper"), tmp_path / "source", {file: changes})
    with pytest.raises(ExportError, match=said):
        export_package(request_for(source, "transcribe", tmp_path))


def test_a_source_without_a_start_token_is_refused(source_of: Callable[[str], Path], tmp_path: Path) -> None:
    unsaid: dict[str, Any] = {"decoder_start_token_id": None}
    changes = {"config.json": unsaid, "generation_config.json": unsaid}
    source = copied(source_of("seq2seq:bert_gpt2"), tmp_path / "source", changes)
    with pytest.raises(ExportError, match="set decoder_start_token_id"):
        export_package(request_for(source, "summarize", tmp_path))


def test_wrong_tokens_of_languages_are_found(source_of: Callable[[str], Path], package_of: MakePackage) -> None:
    import msgspec

    package = package_of("seq2seq:m2m100", "translate")
    languages = package.manifest.task_as(TranslateTask).translate
    shifted = {code: number - 1 for code, number in languages.languages.items()}
    wrong = msgspec.structs.replace(languages, languages=shifted)
    manifest = msgspec.structs.replace(package.manifest, task=TranslateTask(translate=wrong))
    served = ServedEncoderDecoder(msgspec.structs.replace(package, manifest=manifest))
    source = open_source(str(source_of("seq2seq:m2m100")))
    with pytest.raises(ParityError, match="disagree about a text in"):
        sample_batches(served, AutoTokenizer.from_pretrained(source.folder), source, parity.Comparison())


def copied(folder: Path, to: Path, changes: dict[str, dict[str, Any]]) -> Source:
    """Copy a source and change its JSON files; None removes a setting."""
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    for name, settings in changes.items():
        old = json.loads((to / name).read_text())
        new = {key: value for key, value in {**old, **settings}.items() if value is not None}
        (to / name).write_text(json.dumps(new))
    return open_source(str(to))
