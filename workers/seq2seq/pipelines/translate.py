"""Translate: texts of one language to texts of another."""

from dataclasses import replace

from contracts.seq2seq import TranslateOutput, TranslateRequest
from workers.seq2seq.chunking.joining import PostprocessOptions
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.pipelines.sentence_pipeline import SentencePipeline
from workers.seq2seq.source_tokenizer import Conditioning


class TranslationPipeline(SentencePipeline[TranslateRequest]):
    """Rewrites sentences in another language. The text may be HTML."""

    request_type = TranslateRequest
    output_type = TranslateOutput

    def is_html(self, request: TranslateRequest) -> bool:
        """Return whether the request's ``format`` is ``html``."""
        return request.parameters.format == "html"

    def conditioning(self, model: Seq2SeqModel, request: TranslateRequest) -> Conditioning:
        """Return the tokens or the prompt for the requested languages.

        Raises:
            InvalidRequest: the model does not translate between them, or they are ambiguous.
        """
        parameters = request.parameters
        has_forced_bos = parameters.generate_parameters.forced_bos_token_id is not None
        return model.directions.conditioning(parameters.src_lang, parameters.tgt_lang, has_forced_bos=has_forced_bos)

    def postprocess_options(self, request: TranslateRequest) -> PostprocessOptions:
        """Also put spaces between sentences whose source language does not use any."""
        return replace(super().postprocess_options(request), add_missing_spaces=True)
