"""Read from a training library's files the facts that a manifest states: how to pool, which labels, how many tokens.

Where a fact is missing or the package format can't express it, export stops and says which option decides; it never
guesses how vectors are pooled.
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
# These count positions from behind the padding id, so a table of 514 rows holds 512 tokens.
_POSITIONS_AFTER_PADDING = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "roberta-prelayernorm", "camembert", "mpnet", "data2vec-text", "ibert"}
)
_NO_LIMIT = 10**6  # transformers writes 1e30 where a tokenizer states no maximum


def max_tokens(source: Source, config: Any, asked: int | None) -> int:
    """Return the most tokens, special ones included, that a row may have.

    Args:
        source: looked at for ``sentence_bert_config.json`` and ``tokenizer_config.json``.
        config: transformers' config; its position table is the bound that nothing may exceed.
        asked: the user's own number, or None.

    Raises:
        ExportError: more was asked than the position table holds, or nothing states a limit.
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions and config.model_type in _POSITIONS_AFTER_PADDING:
        positions -= config.pad_token_id + 1
    if asked:
        if positions and asked > positions:
            raise ExportError(f"--max-tokens {asked}: the model has positions for {positions} tokens only")
        return asked
    trained = source.read_json("sentence_bert_config.json").get("max_seq_length")
    tokenizer = source.read_json("tokenizer_config.json").get("model_max_length")
    known = [int(limit) for limit in (trained or tokenizer, positions) if limit and 0 < limit < _NO_LIMIT]
    if not known:
        raise ExportError("nothing in the source states how many tokens the model takes: give --max-tokens")
    return min(known)


def embed_table(source: Source, dimensions: int, pooling: Pooling | None, normalize: bool | None) -> Embed:
    """Return how to pool, from sentence-transformers' files where the user did not say.

    Raises:
        ExportError: nothing says how to pool, or the source has a step that a package can't express.
    """
    modules = source.read_json("modules.json") or []
    kinds = {module["type"].rsplit(".", 1)[-1]: module for module in modules}
    unknown = sorted(set(kinds) - {"Transformer", "Pooling", "Normalize"})
    if unknown:
        raise ExportError(f"modules.json has {', '.join(unknown)}: vectors would differ, a package has no such step")
    if normalize is None:
        normalize = "Normalize" in kinds or not modules
    if pooling is None and "Pooling" in kinds:
        pooling = _pooling_of(source.read_json(str(Path(kinds["Pooling"]["path"], "config.json"))))
    if pooling is None:
        raise ExportError("nothing in the source says how token vectors are pooled: give --pooling mean|cls|last_token")
    if pooling == "none":
        raise ExportError("the graph answers a vector for each token: give --pooling mean|cls|last_token")
    return Embed(pooling=pooling, normalize=normalize, dimensions=dimensions)


def pooled_table(dimensions: int, pooling: Pooling | None, normalize: bool | None) -> Embed:
    """Return the [embed] table of a graph that answers one vector a row; its vectors are normalized by default.

    Raises:
        ExportError: another pooling was asked for.
    """
    if pooling not in (None, "none"):
        raise ExportError(f"--pooling {pooling}: the model pools by itself; leave the option out")
    return Embed(pooling="none", normalize=normalize is not False, dimensions=dimensions)


def _pooling_of(config: dict[str, Any]) -> Pooling:
    named = config.get("pooling_mode")  # newer files name one mode, older ones have a flag for each
    modes = [named] if named else [mode for mode, on in config.items() if on is True and "_mode_" in mode]
    if len(modes) != 1 or modes[0] not in _POOLING_MODES:
        raise ExportError(f"the source pools by {modes}; a package knows mean, cls and last_token, one at a time")
    return _POOLING_MODES[modes[0]]


def classify_table(config: Any) -> Classify:
    """Return labels in the order of the logits and the scores' function, by the rule of transformers' pipeline.

    Raises:
        ExportError: the label ids are not 0, 1, 2, … as the logits are.
    """
    by_id = {int(index): str(label) for index, label in config.id2label.items()}
    if sorted(by_id) != list(range(len(by_id))) or len(by_id) != config.num_labels:
        raise ExportError(f"config.id2label does not number {config.num_labels} labels from 0")
    function: Literal["softmax", "sigmoid", "none"]
    if config.problem_type == "regression":
        function = "none"
    elif config.problem_type == "multi_label_classification" or config.num_labels == 1:
        function = "sigmoid"
    else:
        function = "softmax"
    return Classify(labels=[by_id[index] for index in range(len(by_id))], function_to_apply=function)


def token_classify_table(config: Any) -> TokenClassify:
    """Return token labels in the order of the logits. Raises as ``classify_table``."""
    return TokenClassify(labels=classify_table(config).labels)


def fill_mask_table(source: Source) -> FillMask:
    """Return the token that stands for a gap.

    Raises:
        ExportError: the tokenizer has none.
    """
    tokenizer = load_tokenizer(source)
    if tokenizer.mask_token is None:
        raise ExportError("the tokenizer has no mask token, so there is no gap to fill")
    return FillMask(mask_token=tokenizer.mask_token, mask_token_id=tokenizer.mask_token_id)


def default_prompt(source: Source) -> str | None:
    """Return the text that sentence-transformers would put before every input; a worker puts none."""
    config = source.read_json("config_sentence_transformers.json")
    return (config.get("prompts") or {}).get(config.get("default_prompt_name")) or None


def check_lower_case(source: Source, folder: Path) -> None:
    """Raise ExportError if sentence-transformers lower-cases texts before a tokenizer that does not do it itself."""
    from tokenizers import Tokenizer

    if source.read_json("sentence_bert_config.json").get("do_lower_case") is not True:
        return
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    if tokenizer.encode("ABC").ids != tokenizer.encode("abc").ids:
        raise ExportError("sentence_bert_config.json lower-cases texts before its tokenizer; a package can't do that")
