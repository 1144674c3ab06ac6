"""All that is done to the logits of one text before a token of it is chosen."""

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import Constraints, GenerationRequest
from workers.runtime.decoding.sampling.constraints import Constrainer
from workers.runtime.decoding.sampling.penalties import Penalties


class LogitsProcessors:
    """Penalties, then constraints. Told of each token that is chosen."""

    def __init__(self, request: GenerationRequest) -> None:
        constraints = request.sampling.constraints
        self._penalties = Penalties(request.sampling, request.prompt_ids)
        self._constrainer = Constrainer(request) if constraints != Constraints() else None

    @property
    def idle(self) -> bool:
        """Whether no logit of this text will ever be changed."""
        return self._constrainer is None and not self._penalties.active

    def apply(self, logits: Floats) -> Floats:
        """Return the logits, float32 [vocabulary], or in beam search the log-probabilities, that count.

        They are not changed where they lie; if nothing is to be changed, ``logits`` itself comes back.
        """
        logits = self._penalties.apply(logits)
        return logits if self._constrainer is None else self._constrainer.apply(logits)

    def add(self, token_id: int) -> None:
        """Note a token of the answer."""
        self._penalties.add(token_id)
        if self._constrainer is not None:
            self._constrainer.add(token_id)

    def fork(self) -> "LogitsProcessors":
        """Return a copy for another text that has begun as this one has. What it costs grows slowly with the text."""
        other = object.__new__(LogitsProcessors)
        other._penalties = self._penalties.fork()
        other._constrainer = self._constrainer.fork() if self._constrainer else None
        return other
