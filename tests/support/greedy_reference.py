"""Expected texts of a decoder, by the simplest greedy loop: one sequence, one token after the other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contracts.model_package.graphs import DecoderGraph
from contracts.model_package.package import load_package
from onnx_models.decoders.slot_model import SlotModel
from workers.decoder.chat import CHAT_TEMPLATE, ChatTemplate
from workers.runtime.tokenizing.sentencepiece import open_tokenizer


class GreedyReference:
    """Runs the slot graph of a package without the decoding engine."""

    def __init__(self, folder: Path) -> None:
        self.package = load_package(folder)
        self._generation = self.package.manifest.graph_as(DecoderGraph).generation
        self.max_tokens = self.package.manifest.limits.max_tokens
        self.ends = set(self._generation.eos_token_ids)
        self.tokenizer = open_tokenizer(self.package.file("tokenizer.json"))
        self._model = SlotModel(self.package, num_slots=1)

    def template(self) -> ChatTemplate:
        """Return the package's chat template."""
        end = self.tokenizer.id_to_token(self._generation.eos_token_ids[0])
        return ChatTemplate(self.package.file(CHAT_TEMPLATE).read_text(), {"eos_token": end})

    def ids(self, text: str, *, special: bool = True) -> list[int]:
        """Return the tokens of a prompt."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=special).ids
        return ids

    def greedy(self, prompt_ids: Sequence[int], max_new_tokens: int) -> list[int]:
        """Return the tokens of greedy search, with the end-of-sequence token if there is one."""
        self._model.free(0)
        logits = self._model.prefill(0, prompt_ids)
        generated = [int(np.argmax(logits))]
        while len(generated) < max_new_tokens and generated[-1] not in self.ends:
            generated.append(int(np.argmax(self._model.step({0: generated[-1]})[0])))
        return generated

    def text(self, prompt_ids: Sequence[int], generated: Sequence[int]) -> str:
        """Return the text of tokens that follow a prompt."""
        whole: str = self.tokenizer.decode([*prompt_ids, *generated], skip_special_tokens=True)
        return whole[len(self.tokenizer.decode(list(prompt_ids), skip_special_tokens=True)) :]
