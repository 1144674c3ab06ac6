"""Warms up a model before it is served."""

from contracts.model_package.package import PackageError
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.sampling.sampler import Sampler
from workers.runtime.decoding.text.text_stream import TextStream


def warm_up(model: DecodingModel, request: GenerationRequest) -> None:
    """Run a prefill and a decode step, so that the first job neither fails nor waits for one-time costs.

    Args:
        model: no other thread uses it yet.
        request: a short one for this kind of model.

    Raises:
        PackageError: the graphs fail, or the length of the logits contradicts the manifest.
    """
    try:
        slot = model.cache.allocate(request.max_length)
        if slot is None:
            raise PackageError(f"{model.name}: the cache has no room for {request.max_length} tokens")
        prefill = model.prefill(request, [slot])
        logits = prefill.run()
        if logits is not None:
            _sample(model, request, logits[0])
        for token_id in prefill.decoder_prefix or request.prompt_ids[:1].tolist():
            _sample(model, request, model.cache.step([slot], [token_id])[0])
        model.cache.free(slot)
    except PackageError:
        raise
    except Exception as error:
        raise PackageError(f"{model.name}: the graph can't generate a token: {error}") from error


def _sample(model: DecodingModel, request: GenerationRequest, logits: Floats) -> None:
    if logits.shape != (model.cache.vocab_size,):
        raise PackageError(f"{model.name}: the graph's logits are {logits.shape}")
    # With log-probabilities and top tokens, so that every part of the sampler runs once.
    token_id = Sampler(request).sample(logits, logprobs=True, top_n=1).token_id
    TextStream(model.tokenizer, request.prompt_ids).add(token_id)
