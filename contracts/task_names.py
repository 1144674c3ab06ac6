"""The names of tasks: the one that records, manifests and routes use, and the aliases that are understood for it.

Everything that names a task goes through ``parse_task``: requests, filters, settings, recipes, the command line and the
manifests of model packages. From there on only the canonical name is used.
"""

from collections.abc import Collection
from typing import Literal, cast, get_args

Family = Literal["encoder", "decoder", "seq2seq"]
"""The three kinds of workers."""
TaskName = Literal[
    "embed", "classify", "token-classify", "question-answer", "fill-mask", "zero-shot-classify",
    "embed-image", "classify-image", "zero-shot-image", "denoise-image",
    "generate",
    "translate", "summarize", "denoise", "text2text", "transcribe", "caption",
]  # fmt: skip
TASK_NAMES: tuple[TaskName, ...] = get_args(TaskName)
_ALIASES: dict[str, TaskName] = {
    # Names that packages and recipes had before; such packages are still on disks.
    "entities": "token-classify",
    "answer": "question-answer",
    "fill_mask": "fill-mask",
    "embed_image": "embed-image",
    "classify_image": "classify-image",
    "zero_shot_image": "zero-shot-image",
    "denoise_image": "denoise-image",
    # Names of Hugging Face's pipelines.
    "feature-extraction": "embed",
    "text-classification": "classify",
    "sentiment-analysis": "classify",
    "token-classification": "token-classify",
    "ner": "token-classify",
    "question-answering": "question-answer",
    "zero-shot-classification": "zero-shot-classify",
    "image-feature-extraction": "embed-image",
    "image-classification": "classify-image",
    "zero-shot-image-classification": "zero-shot-image",
    "text-generation": "generate",
    "conversational": "generate",
    "translation": "translate",
    "summarization": "summarize",
    "text2text-generation": "text2text",
    "automatic-speech-recognition": "transcribe",
    "image-to-text": "caption",
    # `translation_xx_to_yy` is not here: it names languages too, and a task alone could not keep that promise.
}


def parse_task(name: str, among: Collection[str] = TASK_NAMES) -> TaskName:
    """Return the canonical name of a task, given that name or an alias.

    Args:
        name: what a person wrote.
        among: the canonical names that are possible here, such as those of the tasks that are served.

    Raises:
        ValueError: it is none of them; the message lists them.
    """
    canonical = _ALIASES.get(name, name)
    if canonical not in among:
        raise ValueError(f"unknown task {name[:64]!r}; the tasks are {', '.join(among)}")
    return cast(TaskName, canonical)
