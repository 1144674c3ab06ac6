"""Read the metadata of an encoder for its manifest: pooling, labels, longest input.

If something is missing or a package can't express it, export stops and names the option that decides. It never guesses
how vectors are pooled: a wrong guess gives embeddings that look right and are useless.
"""

from pathlib import Path
from typing import Any, Literal

from contracts.model_package.tasks import Classify, Embed, FillMask, Pooling, TokenClassify
from onnx_models.errors import ExportError
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.write import TOKENIZER, load_tokenizer

_POOLING_MODES: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last_token",
    "mean": "mean",
    "cls": "cls",
    "lasttoken": "last_token",
}
# Their first position is the padding id + 1, so a table of 514 rows is for 512 tokens.
_POSITIONS_AFTER_PADDING = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "roberta-prelayernorm", "camembert", "mpnet", "data2vec-text", "ibert"}
)
_NO_LIMIT = 10**6  # transformers writes 1e30 if a tokenizer has no maximum


def max_tokens(source: Source, config: Any, requested: int | None) -> int:
    """Return the longest input in tokens, special ones included.

    Args:
        source: its ``sentence_bert_config.json`` and ``tokenizer_config.json`` are read.
        config: transformers' config; its number of positions is the upper bound.
        requested: ``--max-tokens``, or None.

    Raises:
        ExportError: more is requested than there are positions, or nothing states a limit.
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions and config.model_type in _POSITIONS_AFTER_PADDING:
        positions -= config.pad_token_id + 1
    if requested:
        if positions and requested > positions:
            raise ExportError(f"--max-tokens {requested}: the model has positions for {positions} tokens only")
        return requested
    # sentence-transformers' limit is the length in training, which is often shorter than the tokenizer's.
    trained = source.read_json("sentence_bert_config.json").get("max_seq_length")
    tokenizer = source.read_json("tokenizer_config.json").get("model_max_length")
    known = [int(limit) for limit in (trained or tokenizer, positions) if limit and 0 < limit < _NO_LIMIT]
    if not known:
        raise ExportError("nothing in the source states how many tokens the model takes: give --max-tokens")
    return min(known)


def embed_table(source: Source, dimensions: int, pooling: Pooling | None, normalize: bool | None) -> Embed:
    """Return the pooling, from sentence-transformers' files unless the user states it.

    Raises:
        ExportError: nothing states the pooling, or the source has a module that a package can't express.
    """
    modules = source.read_json("modules.json") or []
    by_type = {module["type"].rsplit(".", 1)[-1]: module for module in modules}
    unknown = sorted(set(by_type) - {"Transformer", "Pooling", "Normalize"})
    if unknown:
        raise ExportError(
            f"modules.json has {', '.join(unknown)}; a package has no such step, and its vectors would differ"
        )
    if normalize is None:
        # A plain transformers source says nothing about it. Then the manifest's default applies, which is to normalize.
        normalize = "Normalize" in by_type or not modules
    if pooling is None and "Pooling" in by_type:
        pooling = _pooling_of(source.read_json(str(Path(by_type["Pooling"]["path"], "config.json"))))
    if pooling is None:
        raise ExportError(
            "nothing in the source states how token vectors are pooled: give --pooling mean|cls|last_token"
        )
    if pooling == "none":
        raise ExportError("the graph returns a vector for each token: give --pooling mean|cls|last_token")
    return Embed(pooling=pooling, normalize=normalize, dimensions=dimensions)


def pooled_table(dimensions: int, pooling: Pooling | None, normalize: bool | None) -> Embed:
    """Return the [embed] table of a graph that returns one vector for each row; vectors are normalized by default.

    Raises:
        ExportError: another pooling is requested.
    """
    if pooling not in (None, "none"):
        raise ExportError(f"--pooling {pooling}: the graph pools; leave the option out")
    return Embed(pooling="none", normalize=normalize is not False, dimensions=dimensions)


def _pooling_of(config: dict[str, Any]) -> Pooling:
    named = config.get("pooling_mode")  # newer files name one mode, older ones have a flag for each
    modes = [named] if named else [mode for mode, on in config.items() if on is True and "_mode_" in mode]
    if len(modes) != 1 or modes[0] not in _POOLING_MODES:
        raise ExportError(f"the source pools by {modes}; a package supports one of mean, cls and last_token")
    return _POOLING_MODES[modes[0]]


def classify_table(config: Any) -> Classify:
    """Return the labels in the order of the logits, and the function of the scores that transformers' pipeline applies.

    Raises:
        ExportError: the label ids are not 0, 1, 2, …
    """
    by_id = {int(index): str(label) for index, label in config.id2label.items()}
    if sorted(by_id) != list(range(len(by_id))) or len(by_id) != config.num_labels:
        raise ExportError(f"config.id2label does not number {config.num_labels} labels from 0")
    # The rule of transformers' TextClassificationPipeline: one label is a yes or no, so its score is a sigmoid.
    function: Literal["softmax", "sigmoid", "none"]
    if config.problem_type == "regression":
        function = "none"
    elif config.problem_type == "multi_label_classification" or config.num_labels == 1:
        function = "sigmoid"
    else:
        function = "softmax"
    return Classify(labels=[by_id[index] for index in range(len(by_id))], function_to_apply=function)


def token_classify_table(config: Any) -> TokenClassify:
    """Return the labels of tokens in the order of the logits; the errors are those of ``classify_table``."""
    return TokenClassify(labels=classify_table(config).labels)


def fill_mask_table(source: Source) -> FillMask:
    """Return the tokenizer's mask token.

    Raises:
        ExportError: the tokenizer has none.
    """
    tokenizer = load_tokenizer(source)
    if tokenizer.mask_token is None:
        raise ExportError("the tokenizer has no mask token, which fill-mask needs")
    return FillMask(mask_token=tokenizer.mask_token, mask_token_id=tokenizer.mask_token_id)


def default_prompt(source: Source) -> str | None:
    """Return the prefix that sentence-transformers puts before every input; workers do not add it."""
    config = source.read_json("config_sentence_transformers.json")
    return (config.get("prompts") or {}).get(config.get("default_prompt_name")) or None


def check_lower_case(source: Source, folder: Path) -> None:
    """Raise ExportError if sentence-transformers lower-cases texts and the tokenizer does not."""
    from tokenizers import Tokenizer

    if source.read_json("sentence_bert_config.json").get("do_lower_case") is not True:
        return
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    if tokenizer.encode("ABC").ids != tokenizer.encode("abc").ids:
        raise ExportError("sentence_bert_config.json lower-cases texts before its tokenizer; a package can't do that")
