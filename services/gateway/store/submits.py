"""Sends jobs to the store, those of several requests in one call. Step 2 on the path of a job."""

from contracts.store.job_writer import MAX_SUBMITS, JobWriter, Submit, SubmitReply
from services.gateway.store.gathering import Gathering

MAX_BYTES = 65_536
"""Of a request that is sent together with others: nobody waits until another one's megabytes are sent."""


class Submits:
    """Submits jobs. While a call is under way, those that come in one turn of the event loop share the next one.

    A job is accepted or refused by itself, whoever shares its call.

    Args:
        writer: for most jobs.
        large: whose client shares its connections with nobody meanwhile, for requests of more than `MAX_BYTES`.
    """

    def __init__(self, writer: JobWriter, large: JobWriter) -> None:
        self._writer = writer
        self._large = large
        self._together: Gathering[Submit, SubmitReply] = Gathering(writer.submit_all, MAX_SUBMITS)
        self._num_sent = 0
        """Requests whose jobs are on their way."""

    def send(self, submit: Submit) -> SubmitReply:
        """Return the store's reply. Raises ``redis.RedisError``; then the job may have been accepted or not."""
        if len(submit.job.request) > MAX_BYTES:
            return self._large.submit_all([submit])[0]
        is_alone = not self._num_sent
        self._num_sent += 1
        try:
            return self._writer.submit_all([submit])[0] if is_alone else self._together.ask(submit)
        finally:
            self._num_sent -= 1
