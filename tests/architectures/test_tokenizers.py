"""A package's tokenizer gives the same ids and texts as the one that transformers runs in Python."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer, M2M100Tokenizer, MarianTokenizer, NllbTokenizerFast

from contracts.model_package.manifest import PIECES
from onnx_models.errors import ExportError
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.equality import check_equal
from onnx_models.tokenizers.strings import STRINGS, strings_for
from onnx_models.tokenizers.write import write_tokenizer
from tests.architectures.zoo import sentencepieces
from workers.runtime.tokenizing import reading, seams
from workers.runtime.tokenizing.reading import TextReader
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

Build = Callable[[Path], Any]
BUILDS: dict[str, Build] = {
    "marian-multilingual": sentencepieces.marian,
    "marian-bilingual": lambda folder: sentencepieces.marian(folder, languages=()),
    "m2m100": sentencepieces.m2m100,
    "nllb": sentencepieces.nllb,
    "nllb-legacy": lambda folder: sentencepieces.nllb(folder, legacy_behaviour=True),
}


@pytest.fixture(scope="module", params=BUILDS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Tokenizer]:
    """Return transformers' tokenizer of a source, and the one that a worker loads from the package."""
    return _both(BUILDS[request.param], tmp_path_factory.mktemp("tokenizer"))


def _both(build: Build, folder: Path) -> tuple[Any, Tokenizer]:
    (folder / "source").mkdir()
    (folder / "package").mkdir()
    build(folder / "source")
    source = Source(folder / "source", "tiny", "1", "mit")
    original = write_tokenizer(source, folder / "package", decodes=True)
    return original, open_tokenizer(folder / "package" / "tokenizer.json")


def _ids(original: Any, text: str) -> list[int]:
    return list(original(text, verbose=False)["input_ids"])


def test_there_are_a_thousand_texts_of_many_kinds() -> None:
    assert len(STRINGS) == len(set(STRINGS)) >= 1000
    assert "" in STRINGS
    for part in ("\t", "\n", "\xa0", "\u200b", "\x00", "</s>", ">>fra<<", "__en__", "eng_Latn", "ﬁ", "🇫🇷"):
        assert any(part in text and text != part for text in STRINGS), part
    assert max(map(len, STRINGS)) >= 300


def test_encoded_ids_are_equal(both: tuple[Any, Tokenizer]) -> None:
    original, converted = both
    texts = [*STRINGS, *strings_for(original)]
    together = converted.encode_batch_fast(texts)
    for text, encoding in zip(texts, together, strict=True):
        assert encoding.ids == converted.encode(text).ids == _ids(original, text), text


def test_random_texts_are_encoded_equally(both: tuple[Any, Tokenizer]) -> None:
    original, converted = both
    rng = random.Random(7)
    alphabet = [*"abcdeéклмδλकि人日あ한 .,!?12▁<>_\u0301\u0323\u1161\u11a8\n", "  ", "</s>", ">>fra<<"]
    for _ in range(1000):
        text = "".join(rng.choices(alphabet, k=rng.randint(1, 40)))
        assert converted.encode(text).ids == _ids(original, text), text


def test_parts_of_texts_have_the_tokens_of_the_whole(
    both: tuple[Any, Tokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers read long texts in parts; here they are so short that nearly every seam is used."""
    for module in (reading, seams):
        monkeypatch.setattr(module, "WINDOW", 12)
    monkeypatch.setattr(seams, "MAX_WINDOW", 10**9)
    converted = both[1]
    reader = TextReader(converted)
    rng = random.Random(11)
    for text in [*STRINGS, *(" ".join(rng.choices(STRINGS, k=8)) for _ in range(100))]:
        (tokens,) = reader.read([text], 10**6, "right")
        assert tokens.ids == converted.encode(text, add_special_tokens=False).ids, text


def test_decoding_is_equal(both: tuple[Any, Tokenizer]) -> None:
    original, converted = both
    rng = random.Random(8)
    answers = [_ids(original, text) for text in STRINGS]
    answers += [rng.choices(range(len(original)), k=rng.randint(1, 30)) for _ in range(300)]
    for ids in answers:
        assert converted.decode(ids) == original.decode(ids, skip_special_tokens=True), ids


def test_the_sample_texts_cover_the_hard_cases(both: tuple[Any, Tokenizer]) -> None:
    original, _ = both
    unknown = original.unk_token_id
    assert any(unknown in _ids(original, text) for text in STRINGS)
    if isinstance(original, MarianTokenizer):
        model = original.spm_source
        pieces = {model.id_to_piece(index) for index in range(model.get_piece_size())}
        used = {piece for text in STRINGS for piece in model.encode(text, out_type=str)}
        assert any(original.convert_tokens_to_ids(piece) == unknown for piece in used & pieces)  # not in the table
        assert any(original.convert_tokens_to_ids(piece) != unknown for piece in used - pieces)  # only in the table


@pytest.mark.parametrize(
    ("name", "codes"), [("m2m100", ("fr", "zh")), ("nllb", ("fra_Latn",)), ("nllb-legacy", ("fra_Latn", "zho_Hans"))]
)
def test_another_source_language_replaces_the_default(name: str, codes: tuple[str, ...], tmp_path: Path) -> None:
    original, converted = _both(BUILDS[name], tmp_path)
    place = -1 if name == "nllb-legacy" else 0
    for code in codes:
        token = f"__{code}__" if isinstance(original, M2M100Tokenizer) else code
        original.src_lang = code
        for text in STRINGS[::10]:
            ids = list(converted.encode(text).ids)
            ids[place] = converted.token_to_id(token)
            assert ids == _ids(original, text), text


def test_a_target_language_goes_before_the_ids_or_before_the_text(tmp_path: Path) -> None:
    original, converted = _both(sentencepieces.marian, tmp_path)
    code = converted.token_to_id(">>deu<<")
    for text in STRINGS[::5]:
        if not text.startswith(">>"):  # such a text has a language already
            assert [code, *converted.encode(text).ids] == _ids(original, f">>deu<<{text}"), text


def test_nllb_is_what_transformers_runs_by_default(tmp_path: Path) -> None:
    original, _ = _both(sentencepieces.nllb, tmp_path)
    assert isinstance(original, NllbTokenizerFast)
    assert not (tmp_path / "package" / PIECES).exists()


def test_cleaning_of_decoded_texts_is_in_the_file(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        tokenizer = sentencepieces.marian(folder)
        tokenizer.clean_up_tokenization_spaces = True
        tokenizer.save_pretrained(folder)

    original, converted = _both(build, tmp_path)
    ids = [original.convert_tokens_to_ids(piece) for piece in ("a", "▁", ".", "▁", "o")]
    assert converted.decode(ids) == original.decode(ids, skip_special_tokens=True) == "a. o"


def test_a_difference_stops_the_export_and_names_the_text(tmp_path: Path) -> None:
    original, converted = _both(sentencepieces.m2m100, tmp_path)
    converted.normalizer = None
    converted.post_processor = None
    with pytest.raises(ExportError, match=r"its tokenizer encodes '' as \[\d+, 2\], the package's as \[\]"):
        check_equal(original, converted, "tiny")


def test_other_python_tokenizers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"<unk>": 0, "a": 1}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "CTRLTokenizer"}')
    (tmp_path / "config.json").write_text('{"model_type": "ctrl"}')
    assert not AutoTokenizer.from_pretrained(tmp_path).is_fast
    with pytest.raises(ExportError, match="workers can't run its CTRLTokenizer"):
        write_tokenizer(Source(tmp_path, "tiny", "1", "mit"), tmp_path)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"byte_fallback": True}, "bytes"),
        ({"user_defined_symbols": ["ab"]}, "user-defined"),
        ({"treat_whitespace_as_suffix": True}, "spaces behind words"),
    ],
)
def test_a_sentencepiece_model_that_workers_do_not_support_is_refused(
    options: dict[str, object], reason: str, tmp_path: Path
) -> None:
    sentencepieces.marian(tmp_path)
    texts = sentencepieces.sentences(("latin", "cyrillic"), 300, 9)
    sentencepieces.train(texts, tmp_path / "source.spm", 600, "unigram", hard_vocab_limit=False, **options)
    with pytest.raises(ExportError, match=f"its SentencePiece model has .*{reason}"):
        write_tokenizer(Source(tmp_path, "tiny", "1", "mit"), tmp_path)
