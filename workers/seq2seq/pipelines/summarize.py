"""Summarize: texts to short ones. A text that the model cannot read whole is summarised in several rounds."""

from contracts.seq2seq import SummarizeOutput, SummarizeRequest
from workers.runtime.decoding.work import DecodingWork
from workers.seq2seq.generation import ChunkAnswers, ChunkedJob, generate_chunks
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.pipelines.map_reduce import summarize_in_rounds
from workers.seq2seq.pipelines.pipeline import Pipeline


class SummarizationPipeline(Pipeline[SummarizeRequest]):
    """Adds the prompt of summaries, and summarises long texts by map-reduce."""

    request_type = SummarizeRequest
    output_type = SummarizeOutput

    def estimate_tokens(self, num_source_tokens: int) -> int:
        """Return the most tokens of a summary: no more than the text has, unless that is very short."""
        return max(64, num_source_tokens)

    async def generate(self, model: Seq2SeqModel, work: DecodingWork, job: ChunkedJob) -> ChunkAnswers:
        """Summarise in rounds, unless the request wants long texts cut or refused."""
        generate = summarize_in_rounds if job.truncate == "chunk" else generate_chunks
        return await generate(model, work, job)
