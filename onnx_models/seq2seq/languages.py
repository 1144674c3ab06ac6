"""Read the [translate] table from a tokenizer: the languages of a model, and the tokens that select them."""

import re
from typing import Any, Literal

from contracts.model_package.tasks import Translate
from onnx_models.errors import ExportError

# Such as eng_Latn. Other additional special tokens, such as <mask>, are no languages.
_NLLB_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")
# Such as >>fra<<.
_MARIAN_CODE = re.compile(r">>(.+)<<")


def translate_table(tokenizer: Any) -> Translate | None:
    """Return the languages; None if the tokenizer names none, or if they are selected by words in the text (T5).

    Raises:
        ExportError: the tokenizer has language tokens but puts the source's neither first nor last.
    """
    targets = {
        match[1]: number for token, number in tokenizer.get_vocab().items() if (match := _MARIAN_CODE.match(token))
    }
    # Only Marian's tokenizers are saved with these two arguments.
    source, target = (tokenizer.init_kwargs.get(name) for name in ("source_lang", "target_lang"))
    if targets:
        return Translate(languages=_sorted(targets), reads=[source] if source else [], target="source_prefix")
    if source and target:
        return Translate(reads=[source], writes=[target])
    languages = _languages_of(tokenizer)
    if not languages:
        return None
    # The decoder of mBART-25 starts with the language token itself; later models have a start token before it.
    starts = type(tokenizer).__name__ in ("MBartTokenizer", "MBartTokenizerFast")
    return Translate(
        languages=_sorted(languages),
        source=_position_of(tokenizer, languages),
        default_source=tokenizer.src_lang,
        target="decoder_start" if starts else "forced_bos",
    )


def _languages_of(tokenizer: Any) -> dict[str, int]:
    if not hasattr(tokenizer, "src_lang"):
        return {}
    if hasattr(tokenizer, "lang_code_to_token"):  # M2M100: code en, token __en__
        tokens = dict(tokenizer.lang_code_to_token)
    elif hasattr(tokenizer, "lang_code_to_id"):
        tokens = {code: code for code in tokenizer.lang_code_to_id}
    else:  # NLLB has its codes among its additional special tokens
        tokens = {code: code for code in tokenizer.additional_special_tokens if _NLLB_CODE.fullmatch(code)}
    return {code: tokenizer.convert_tokens_to_ids(token) for code, token in tokens.items()}


def _position_of(tokenizer: Any, languages: dict[str, int]) -> Literal["prefix", "suffix"]:
    ids, language = tokenizer("a").input_ids, languages[tokenizer.src_lang]
    if language == ids[0]:
        return "prefix"
    if language == ids[-1]:
        return "suffix"
    raise ExportError(f"the tokenizer has languages, but encodes a text as {ids} in {tokenizer.src_lang} ({language})")


def _sorted(languages: dict[str, int]) -> dict[str, int]:
    return dict(sorted(languages.items()))
