"""From a job's request to its answer, for all tasks of this worker. Steps 5 and 6 on the path of a job.

    split inputs into chunks → generate → join the answers → output

A task is a subclass of `Pipeline` that overrides the steps in which it differs, like the pipelines of transformers.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from contracts.seq2seq import TextOutput, TextRequest
from workers.runtime.decoding.work import DecodingWork
from workers.runtime.models.served import TaskOutput
from workers.runtime.tokenizing.reading import Check
from workers.seq2seq.chunking.joining import ChunkAnswer, PostprocessOptions, join_answers
from workers.seq2seq.chunking.plan import ChunkPlan, single_chunk
from workers.seq2seq.generation import ChunkAnswers, ChunkedJob, generate_chunks
from workers.seq2seq.generation_config import resolve_generation_config
from workers.seq2seq.model import Seq2SeqModel
from workers.seq2seq.source_tokenizer import Conditioning

Request = TypeVar("Request", bound=TextRequest)


class Pipeline(Generic[Request]):
    """One task. As it is, each input is read whole and the model's own length limits apply."""

    request_type: type[Request]
    output_type: type[TextOutput]
    output_takes_long = False
    """Whether ``output`` may take more than a millisecond for a short text."""

    async def __call__(self, model: Seq2SeqModel, request: Request, work: DecodingWork) -> TaskOutput:
        """Run one attempt at a job and return an output for each input.

        Raises:
            InvalidRequest: the inputs or the parameters do not suit this model.
            Exception: as ``DecodingWork.generate``.
        """
        job = self._chunked_job(model, work, request)
        answers, usage = await self.generate(model, work, job)
        if self.output_takes_long:
            await work.hand_over()
        outputs = [
            self._best([self.output(plan, job.postprocess, chunks) for chunks in sequences])
            for plan, sequences in zip(job.plans, answers, strict=True)
        ]
        return TaskOutput(outputs, usage.usage())

    def _chunked_job(self, model: Seq2SeqModel, work: DecodingWork, request: Request) -> ChunkedJob:
        is_list = isinstance(request.inputs, list)
        texts = request.inputs if isinstance(request.inputs, list) else [request.inputs]
        conditioning = self.conditioning(model, request)
        plans = self.plan(model, texts, request, conditioning, work.check)
        config = resolve_generation_config(
            request.parameters.generate_parameters, model.config, conditioning, work.job_id
        )
        return ChunkedJob(
            plans=plans,
            params=[f"inputs[{index}]" if is_list else "inputs" for index in range(len(texts))],
            conditioning=conditioning,
            truncate=request.parameters.truncation_policy,
            config=config,
            estimate=self.estimate_tokens,
            postprocess=self.postprocess_options(request),
            stream=request.stream,
        )

    @staticmethod
    def _best(sequences: Sequence[TextOutput]) -> TextOutput:
        """Return the first sequence as the output of an input. If there are several it holds all of them."""
        if len(sequences) == 1:
            return sequences[0]
        return msgspec.structs.replace(sequences[0], sequences=list(sequences))

    # -- the steps in which tasks differ ------------------------------------------------------------------------------

    def conditioning(self, model: Seq2SeqModel, request: Request) -> Conditioning:
        """Return the prompt and the language tokens that the model gets."""
        return model.conditioning

    def plan(
        self, model: Seq2SeqModel, texts: Sequence[str], request: Request, conditioning: Conditioning, check: Check
    ) -> list[ChunkPlan]:
        """Return how each input is split into chunks. ``check`` is called now and then; it may raise to stop."""
        return [single_chunk(text) for text in texts]

    def estimate_tokens(self, num_source_tokens: int) -> int | None:
        """Return the most tokens that an answer is likely to need; None: no estimate."""
        return None

    def postprocess_options(self, request: Request) -> PostprocessOptions:
        """Return how the model's answers are changed before they are joined."""
        return PostprocessOptions(clean_up_spaces=request.parameters.clean_up_tokenization_spaces)

    async def generate(self, model: Seq2SeqModel, work: DecodingWork, job: ChunkedJob) -> ChunkAnswers:
        """Generate the answers to all chunks."""
        return await generate_chunks(model, work, job)

    def output(self, plan: ChunkPlan, options: PostprocessOptions, answers: Sequence[ChunkAnswer]) -> TextOutput:
        """Return one sequence of an input, from the answers to the input's chunks."""
        joined = join_answers(plan, options, answers)
        return self.output_type(text=joined.text, finish_reason=joined.finish_reason)
