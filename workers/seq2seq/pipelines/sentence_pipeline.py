"""What translate and denoise share: the model rewrites a text sentence by sentence."""

from collections.abc import Sequence
from functools import partial

from workers.runtime.tokenizing.reading import Check
from workers.seq2seq.chunking.joining import PostprocessOptions
from workers.seq2seq.chunking.plan import ChunkPlan, plan_html_texts, plan_sentences
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.pipelines.pipeline import Pipeline, Request
from workers.seq2seq.source_tokenizer import Conditioning


class SentencePipeline(Pipeline[Request]):
    """Splits texts into sentences even if they would fit whole, because such models are trained on single sentences."""

    def is_html(self, request: Request) -> bool:
        """Return whether the inputs are HTML, of which only the text between tags is rewritten."""
        return False

    def plan(
        self, model: Seq2SeqModel, texts: Sequence[str], request: Request, conditioning: Conditioning, check: Check
    ) -> list[ChunkPlan]:
        """Split into sentences; with another policy than ``chunk``, only at the tags of HTML."""
        is_html = self.is_html(request)
        if request.parameters.truncation_policy == "chunk":
            tokenizer = model.source_tokenizer
            max_tokens = tokenizer.max_text_tokens(conditioning)
            count_tokens = partial(tokenizer.count_tokens, check=check)
            return plan_sentences(texts, html=is_html, max_tokens=max_tokens, count_tokens=count_tokens, check=check)
        if is_html:
            return plan_html_texts(texts, check)
        return super().plan(model, texts, request, conditioning, check)

    def estimate_tokens(self, num_source_tokens: int) -> int:
        """Return the most tokens that the same text is likely to have in any other language or spelling."""
        # A model that falls into a loop repeats itself up to its limit. This stops it long before: a sentence of 20
        # tokens after 144, not after the 512 or 1024 that models can hold.
        return 4 * num_source_tokens + 64

    def postprocess_options(self, request: Request) -> PostprocessOptions:
        """Strip answers of their own white space where the plan has that of the input; escape them for HTML."""
        is_html = self.is_html(request)
        return PostprocessOptions(
            clean_up_spaces=request.parameters.clean_up_tokenization_spaces,
            strip=is_html or request.parameters.truncation_policy == "chunk",
            escape_html=is_html,
        )
