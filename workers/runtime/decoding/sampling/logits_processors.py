"""All changes to the logits of one sequence before a token is chosen from them."""

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import Constraints, GenerationRequest
from workers.runtime.decoding.sampling.constraints import ConstraintsProcessor
from workers.runtime.decoding.sampling.penalties import Penalties


class LogitsProcessors:
    """Penalties, then constraints: the order of transformers. They must be given every token that is generated."""

    def __init__(self, request: GenerationRequest) -> None:
        constraints = request.sampling.constraints
        self._penalties = Penalties(request.sampling, request.prompt_ids)
        self._constraints = ConstraintsProcessor(request) if constraints != Constraints() else None

    @property
    def idle(self) -> bool:
        """Whether no logit of this sequence will ever be changed."""
        return self._constraints is None and not self._penalties.active

    def apply(self, logits: Floats) -> Floats:
        """Return the processed logits, float32 [vocabulary]; or log-probabilities, which beam search passes in.

        The argument is never changed. If nothing applies, it is returned itself instead of a copy.
        """
        logits = self._penalties.apply(logits)
        return logits if self._constraints is None else self._constraints.apply(logits)

    def add(self, token_id: int) -> None:
        """Take note of a generated token."""
        self._penalties.add(token_id)
        if self._constraints is not None:
            self._constraints.add(token_id)

    def fork(self) -> "LogitsProcessors":
        """Return a copy for another beam with the same tokens so far. Its cost grows slowly with their number."""
        other = object.__new__(LogitsProcessors)
        other._penalties = self._penalties.fork()
        other._constraints = self._constraints.fork() if self._constraints else None
        return other
