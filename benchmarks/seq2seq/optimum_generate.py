"""The peer: optimum's ``generate`` on one batch of sources, which are padded on the right.

It needs the export environment: ``python -m benchmarks.seq2seq.optimum_generate FOLDER``; FOLDER has optimum's graphs.
Each line of its input is ``[[source ids of each row], number of beams, new tokens]``; each line of its output is
``[seconds, [token ids of each row]]``, without the token that the decoder starts with.
"""

import json
import sys
import time
from pathlib import Path

import torch
from optimum.onnxruntime import ORTModelForSeq2SeqLM
from torch.nn.utils.rnn import pad_sequence


def main() -> None:
    """Answer lines until there are no more."""
    model = ORTModelForSeq2SeqLM.from_pretrained(Path(sys.argv[1]).resolve())
    for line in sys.stdin:
        sources, num_beams, num_tokens = json.loads(line)
        started = time.perf_counter()
        generated = _generate(model, sources, num_beams, num_tokens)
        # Flushed, because the benchmark waits for this line.
        print(json.dumps([time.perf_counter() - started, generated]), flush=True)


def _generate(
    model: ORTModelForSeq2SeqLM, sources: list[list[int]], num_beams: int, num_tokens: int
) -> list[list[int]]:
    rows = [torch.tensor(ids) for ids in sources]
    texts = model.generate(
        pad_sequence(rows, batch_first=True, padding_value=model.config.pad_token_id),
        attention_mask=pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
        num_beams=num_beams,
        max_new_tokens=num_tokens,
        min_new_tokens=num_tokens,
        do_sample=False,
    )
    return [[int(token) for token in text[1:]] for text in texts]


if __name__ == "__main__":
    main()
