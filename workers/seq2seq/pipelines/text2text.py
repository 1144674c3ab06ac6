"""Text2text: whatever a model was trained to generate from a text. No prompt is added and no text is split."""

from contracts.seq2seq import Text2TextOutput, Text2TextRequest
from workers.seq2seq.pipelines.pipeline import Pipeline


class Text2TextPipeline(Pipeline[Text2TextRequest]):
    """Runs every step as `Pipeline` defines it."""

    request_type = Text2TextRequest
    output_type = Text2TextOutput
