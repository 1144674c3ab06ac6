"""Resolves which tokens a job's answers must and must not have. A part of `workers.seq2seq.generation_config`."""

from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer

from contracts.errors import InvalidRequest
from contracts.generation_parameters import GenerationParameters
from workers.runtime.decoding.request import Constraints
from workers.runtime.decoding.sampling.defaults import constraints_of, given
from workers.seq2seq.lengths import PARAM, LengthLimits
from workers.seq2seq.model_config import ModelConfig
from workers.seq2seq.source_tokenizer import Conditioning


def resolve_constraints(
    parameters: GenerationParameters, model: ModelConfig, conditioning: Conditioning, lengths: LengthLimits
) -> Constraints:
    """Return the constraints of a job's answers.

    Raises:
        InvalidRequest: a token id is unknown to the model, or contradicts the target language, or no token is left.
    """
    default = constraints_of(model.generation)
    _check_token_ids(parameters, model.vocab_size)
    bad_words = default.bad_words
    if parameters.bad_words_ids is not None:
        bad_words = tuple(map(tuple, parameters.bad_words_ids))
    return Constraints(
        no_repeat_ngram_size=given(parameters.no_repeat_ngram_size, default.no_repeat_ngram_size),
        bad_words=tuple(dict.fromkeys([*bad_words, *_tokenized(parameters.bad_words, model.tokenizer)])),
        min_length=lengths.min_length,
        min_new_tokens=lengths.min_new_tokens,
        forced_bos_token_id=_forced_bos(parameters, default, conditioning),
        forced_eos_token_ids=_forced_eos(parameters, default),
        suppress_tokens=tuple(given(parameters.suppress_tokens, default.suppress_tokens)),
        begin_suppress_tokens=tuple(given(parameters.begin_suppress_tokens, default.begin_suppress_tokens)),
    )


def _forced_bos(parameters: GenerationParameters, default: Constraints, conditioning: Conditioning) -> int | None:
    target_language = conditioning.forced_bos_token_id
    if target_language is None:
        return given(parameters.forced_bos_token_id, default.forced_bos_token_id)  # type: ignore[no-any-return]
    if parameters.forced_bos_token_id not in (None, target_language):
        raise InvalidRequest(
            "forced_bos_token_id is the token of another language than tgt_lang: leave out one of them.",
            param=f"{PARAM}.forced_bos_token_id",
        )
    return target_language


def _forced_eos(parameters: GenerationParameters, default: Constraints) -> tuple[int, ...]:
    requested = parameters.forced_eos_token_id
    if requested is None:
        return default.forced_eos_token_ids
    return (requested,) if isinstance(requested, int) else tuple(requested)


def _tokenized(words: Iterable[str], tokenizer: Tokenizer) -> Iterator[tuple[int, ...]]:
    """Yield the tokens of each word with and without a space before it, which most tokenizers encode differently."""
    for word in words:
        for text in (word, f" {word}"):
            if token_ids := tokenizer.encode(text, add_special_tokens=False).ids:
                yield tuple(token_ids)


def _check_token_ids(parameters: GenerationParameters, vocab_size: int) -> None:
    """Refuse token ids that the model does not have, and a request that suppresses all of them."""
    forced_eos = parameters.forced_eos_token_id
    requested = {
        "bad_words_ids": [token for word in parameters.bad_words_ids or [] for token in word],
        "forced_bos_token_id": [parameters.forced_bos_token_id or 0],
        "forced_eos_token_id": forced_eos if isinstance(forced_eos, list) else [forced_eos or 0],
        "suppress_tokens": parameters.suppress_tokens or [],
        "begin_suppress_tokens": parameters.begin_suppress_tokens or [],
    }
    for name, token_ids in requested.items():
        unknown = [token for token in token_ids if token >= vocab_size]
        if unknown:
            raise InvalidRequest(
                f"The model has {vocab_size} tokens, so token {unknown[0]} does not exist.", param=f"{PARAM}.{name}"
            )
    suppressed = {*requested["suppress_tokens"], *requested["begin_suppress_tokens"]}
    suppressed |= {word[0] for word in parameters.bad_words_ids or [] if len(word) == 1}
    # Without a token left all logits would be -inf, and sampling would have nothing to choose from.
    if len(suppressed) >= vocab_size:
        raise InvalidRequest("No token is left that the model could generate.", param=f"{PARAM}.suppress_tokens")
