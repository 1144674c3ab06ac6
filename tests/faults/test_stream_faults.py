"""Streams whose worker is killed, frozen or terminated, also by the job of another stream."""

from collections.abc import Callable

import httpx
import pytest

from tests.faults.fleet import Supervisor
from tests.faults.generating_fleet import GeneratingFleet
from tests.faults.stream_clients import GREEDY, NUM_TOKENS, WILD, EventFollower, OpenAIChat, RawChat, chat
from tests.faults.worker_process import Worker
from tests.gateway.gateway_process import GatewayProcess
from tests.support.waiting import PATIENCE_S, wait_until

HELD = "fault:hold=6 Tell me of the moon."
"""`Streams` generates six texts."""
MAX_FURTHER_CRASHES = 5
"""Until a job that ends its worker is found: in groups of 8, 4 and 2 jobs, and twice alone."""


class Streams:
    """One stream of each kind. A held worker has streamed the beginnings of all texts."""

    def __init__(self, fleet: GeneratingFleet, gateway: GatewayProcess) -> None:
        self.greedy = OpenAIChat(gateway, chat(HELD, **GREEDY))
        self.sampled = OpenAIChat(gateway, chat(HELD, **WILD))
        self.raw = RawChat(gateway, chat(HELD, **WILD))
        body = {"task": "generate", "model": fleet.model, "inputs": HELD, "stream": True}
        body["parameters"] = {"n": 3, "do_sample": True, "max_new_tokens": NUM_TOKENS}
        job = httpx.post(f"{gateway.url}/v1/jobs", json=body, timeout=PATIENCE_S).json()
        self.native = EventFollower(lambda: gateway.url, job["id"])
        wait_until(self._all_have_begun, "a stream does not begin")

    def _all_have_begun(self) -> bool:
        chats = all(chat.text for chat in (self.greedy, self.sampled, self.raw))
        return chats and len(self.native.texts_of_attempt(1)) == 3

    @property
    def job_ids(self) -> list[str]:
        return [each.job_id for each in (self.greedy, self.sampled, self.raw, self.native)]

    def end(self) -> None:
        for each in (self.greedy, self.sampled, self.raw, self.native):
            each.end()
            assert each.error is None, each.error


@pytest.mark.parametrize("lose", [Worker.kill, Worker.freeze, Worker.terminate])
def test_streams_of_a_lost_worker_continue_on_another(
    generating_fleet: GeneratingFleet, lose: Callable[[Worker], None]
) -> None:
    fleet = generating_fleet
    fleet.hold()
    gateway, (lost,) = fleet.start()
    streams = Streams(fleet, gateway)
    other = fleet.start_worker()
    lose(lost)
    fleet.release_hold()
    streams.end()
    jobs = fleet.assert_each_ended_once(streams.job_ids)
    blamed = lose is not Worker.terminate
    assert {(job.status, job.attempt, job.crashes) for job in jobs.values()} == {("succeeded", 2, int(blamed))}
    assert_streamed_once(fleet, streams)
    if lose is Worker.freeze:
        assert_fenced(fleet, lost, streams)
    last_job = fleet.submit("Hello")
    wait_until(lambda: fleet.job(last_job).finished and other.alive(), "the other worker takes no more jobs")


def assert_streamed_once(fleet: GeneratingFleet, streams: Streams) -> None:
    """Assert that clients have exactly the texts of the record, and were informed of the second attempt."""
    for client in (streams.greedy, streams.sampled, streams.raw):
        assert [client.text] == fleet.texts(client.job_id)
    assert streams.greedy.finish_reasons == streams.sampled.finish_reasons == ["length"]
    assert [comment for comment in streams.raw.comments if comment.startswith("attempt 2")]
    assert streams.raw.last == "[DONE]"
    native = streams.native
    texts = fleet.texts(native.job_id)
    assert native.attempts == [1, 2] and native.num_connections == 1
    assert native.texts_of_attempt(2) == texts, "the second attempt must stream complete texts"
    assert all(text.startswith(started) for text, started in zip(texts, native.texts_of_attempt(1), strict=True))
    attempts = [event["data"]["attempt"] for event in native.events if event["event"] in {"started", "output"}]
    assert attempts == sorted(attempts), "the attempts must not be mixed"


def assert_fenced(fleet: GeneratingFleet, zombie: Worker, streams: Streams) -> None:
    """Resume a frozen worker, which goes on generating; assert that it changes no job and publishes no event."""
    before = {job_id: fleet.store.events(job_id, "0") for job_id in streams.job_ids}
    zombie.thaw()
    wait_until(lambda: zombie.log().count("outcome refused") == len(before), "the zombie did not stop its attempts")
    assert {job_id: fleet.store.events(job_id, "0") for job_id in before} == before
    fleet.assert_each_ended_once(streams.job_ids)
    assert zombie.alive()


def test_a_job_that_kills_its_worker_fails_and_its_neighbours_succeed(generating_fleet: GeneratingFleet) -> None:
    """The neighbours continue on other workers. The job is found by halving, and fails once it has crashed alone."""
    fleet = generating_fleet
    gateway, _ = fleet.start()
    supervisor = Supervisor(fleet)
    neighbours = [RawChat(gateway, chat(f"fault:slow=0.02 {number}", **WILD)) for number in range(6)]
    poison = RawChat(gateway, chat("fault:kill=10 fault:slow=0.02", **WILD))
    for client in (poison, *neighbours):
        client.end()
    jobs = fleet.assert_each_ended_once([client.job_id for client in (poison, *neighbours)])
    supervisor.stop()
    culprit = jobs[poison.job_id]
    assert culprit.status == "failed" and culprit.error is not None
    assert poison.last["error"]["code"] == culprit.error.code == "worker_lost"
    assert poison.text, "the client must have the deltas of the failed job"
    assert culprit.crashes <= 1 + MAX_FURTHER_CRASHES
    for neighbour in neighbours:
        job = jobs[neighbour.job_id]
        assert job.status == "succeeded" and job.crashes < culprit.crashes
        assert [neighbour.text] == fleet.texts(neighbour.job_id) and neighbour.last == "[DONE]"
    fleet.assert_takes_jobs()
