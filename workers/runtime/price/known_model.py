"""What a worker knows of the costs of one version of a model."""

import threading
from collections import deque

from msgspec import structs

from contracts.price.estimate import work_of
from contracts.price.profile import ModelProfile, merged
from contracts.store.profiles import KeptProfile
from workers.runtime.price.counts import AttemptCounts
from workers.runtime.price.rates import Rates
from workers.runtime.price.texts import Texts

USUAL_TOKENS = 32
"""Read and written by the job by which workers are compared that have not been full yet."""
MOST_UNSEEN = 10_000
"""Jobs of a model that wait to be learned from. If nobody has looked for so long, the oldest are forgotten."""


class KnownModel:
    """What is known of one version of a model.

    Args:
        measured: when it was loaded.
        kept: what workers have found, perhaps of other versions.
    """

    def __init__(self, measured: ModelProfile, kept: list[KeptProfile]) -> None:
        profiles = [each.profile for each in kept]
        alike = [each for each in kept if _is_alike(each.profile, measured)]
        self.measured = measured
        self.rates = Rates(measured, merged(each.profile for each in alike))
        self.texts = Texts(_with_texts_of(merged(profiles), measured))
        self.num_jobs = 0
        self._unseen: deque[tuple[str, AttemptCounts]] = deque(maxlen=MOST_UNSEEN)
        self._lock = threading.Lock()
        self.price = merged(profiles) or self.own()
        self._known_speed = sum(each.speed for each in alike) / len(alike) if alike else None

    def see(self, tenant: str, counts: AttemptCounts) -> None:
        """Learn from a job that has succeeded: later, with many others, which takes a fraction of the time."""
        self._unseen.append((tenant, counts))

    def own(self) -> ModelProfile:
        """Return what the model costs on this worker."""
        with self._lock:
            while self._unseen:
                tenant, counts = self._unseen.popleft()
                self.rates.see_job(counts)
                self.texts.see(tenant, counts)
        return self.rates.applied_to(self.texts.learned())

    def measured_speed(self) -> float:
        """Return the speed of a worker by what was measured when the model was loaded."""
        return _ratio(self.price, self.measured)

    def expected_speed(self) -> float:
        """Return the speed of a worker that was never full: that of others, or by what was measured."""
        return self.measured_speed() if self._known_speed is None else self._known_speed


def _with_texts_of(known: ModelProfile | None, measured: ModelProfile) -> ModelProfile:
    """Return a measured profile with what is known of texts."""
    if known is None:
        return measured
    return structs.replace(
        measured,
        tokens_per_char=known.tokens_per_char,
        tokens_per_byte=known.tokens_per_byte,
        tokens_per_piece=known.tokens_per_piece,
        written=known.written,
        written_per_token_in=known.written_per_token_in,
        num_jobs=known.num_jobs,
    )


def _is_alike(profile: ModelProfile, other: ModelProfile) -> bool:
    """Return whether both are of one version of a model, on one kind of device."""
    return (profile.device, profile.revision) == (other.device, other.revision)


def _ratio(price: ModelProfile, measured: ModelProfile) -> float:
    """Return how many work-seconds by a price a worker does in a second, if it is as fast as was measured."""
    price_s, measured_s = (
        work_of(structs.replace(each, request_s=0.0), num_rows=1, tokens_in=USUAL_TOKENS, tokens_out=USUAL_TOKENS)
        for each in (price, measured)
    )
    return price_s / measured_s if measured_s else 1.0
