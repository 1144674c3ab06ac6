"""Streams of texts whose worker is killed, frozen or told to leave, and jobs that kill their worker beside them."""

import signal
from collections.abc import Callable

import httpx
import pytest

from tests.faults.stream_clients import GREEDY, NUM_TOKENS, WILD, Following, OpenAIChat, RawChat, chat
from tests.faults.worker_process import Worker
from tests.faults.writing_fleet import WritingFleet
from tests.gateway.gateway_process import GatewayProcess
from tests.support.waiting import PATIENCE_S, wait_until

HELD = "fault:hold=6 Tell me of the moon."
"""One for each text of `Streams`."""


class Streams:
    """One stream of each kind, whose texts a held worker has told the beginnings of."""

    def __init__(self, fleet: WritingFleet, gateway: GatewayProcess) -> None:
        self.greedy = OpenAIChat(gateway, chat(HELD, **GREEDY))
        self.drawn = OpenAIChat(gateway, chat(HELD, **WILD))
        self.raw = RawChat(gateway, chat(HELD, **WILD))
        body = {"task": "generate", "model": fleet.model, "inputs": HELD, "stream": True}
        body["parameters"] = {"n": 3, "do_sample": True, "max_new_tokens": NUM_TOKENS}
        job = httpx.post(f"{gateway.url}/v1/jobs", json=body).json()
        self.native = Following(lambda: gateway.url, job["id"])
        wait_until(self._all_have_begun, "a stream does not begin")

    def _all_have_begun(self) -> bool:
        chats = all(chat.text for chat in (self.greedy, self.drawn, self.raw))
        return chats and len(self.native.told(1)) == 3

    @property
    def job_ids(self) -> list[str]:
        return [one.job_id for one in (self.greedy, self.drawn, self.raw, self.native)]

    def end(self) -> None:
        for one in (self.greedy, self.drawn, self.raw, self.native):
            one.end()
            assert one.error is None, one.error


def kill(worker: Worker) -> None:
    worker.kill()


def freeze(worker: Worker) -> None:
    worker.signal(signal.SIGSTOP)


def tell_to_leave(worker: Worker) -> None:
    worker.signal(signal.SIGTERM)
    assert worker.process.wait(PATIENCE_S) == 0, worker.log()[-2000:]


@pytest.mark.parametrize("lose", [kill, freeze, tell_to_leave])
def test_streams_of_a_lost_worker_go_on_on_another(writing_fleet: WritingFleet, lose: Callable[[Worker], None]) -> None:
    fleet = writing_fleet
    fleet.hold()
    gateway, (lost,) = fleet.start()
    streams = Streams(fleet, gateway)
    heir = fleet.start_worker()
    lose(lost)
    fleet.let_go()
    streams.end()
    jobs = fleet.assert_each_ended_once(streams.job_ids)
    blamed = lose is not tell_to_leave
    assert {(job.status, job.attempt, job.crashes) for job in jobs.values()} == {("succeeded", 2, int(blamed))}
    assert_told_once(fleet, streams)
    if lose is freeze:
        assert_fenced(fleet, lost, streams)
    heir_knows = fleet.submit("Hello")
    wait_until(lambda: fleet.job(heir_knows).finished and heir.alive(), "the other worker takes no more jobs")


def assert_told_once(fleet: WritingFleet, streams: Streams) -> None:
    """Prove that clients have the texts that the record has, no more and no less, and know that it was tried again."""
    for client in (streams.greedy, streams.drawn, streams.raw):
        assert [client.text] == fleet.texts(client.job_id)
    assert streams.greedy.finish_reasons == streams.drawn.finish_reasons == ["length"]
    assert [comment for comment in streams.raw.comments if comment.startswith("attempt 2")]
    assert streams.raw.last == "[DONE]"
    native = streams.native
    texts = fleet.texts(native.job_id)
    assert native.attempts == [1, 2] and native.num_connections == 1
    assert native.told(2) == texts, "what the second attempt tells is whole by itself"
    assert all(whole.startswith(begun) for whole, begun in zip(texts, native.told(1), strict=True))
    request = [event["data"]["attempt"] for event in native.events if event["event"] in {"started", "output"}]
    assert request == sorted(request), "the attempts are mixed"


def assert_fenced(fleet: WritingFleet, zombie: Worker, streams: Streams) -> None:
    """Wake a frozen worker, which goes on writing; prove that nobody hears of it."""
    before = {job_id: fleet.store.events(job_id, "0") for job_id in streams.job_ids}
    zombie.signal(signal.SIGCONT)
    wait_until(lambda: zombie.log().count("outcome refused") == len(before), "the zombie did not come to its end")
    assert {job_id: fleet.store.events(job_id, "0") for job_id in before} == before
    fleet.assert_each_ended_once(streams.job_ids)
    assert zombie.alive()


def test_a_job_that_kills_its_worker_ends_alone(writing_fleet: WritingFleet) -> None:
    """In mid-stream, beside other streams: those go on elsewhere, and it fails when three workers have died of it."""
    fleet = writing_fleet
    gateway, workers = fleet.start(4)
    neighbours = [RawChat(gateway, chat(f"fault:slow=0.02 {number}", **WILD)) for number in range(6)]
    poison = RawChat(gateway, chat("fault:kill=10 fault:slow=0.02", **WILD))
    for client in (poison, *neighbours):
        client.end()
    jobs = fleet.assert_each_ended_once([client.job_id for client in (poison, *neighbours)])
    culprit = jobs[poison.job_id]
    assert culprit.status == "failed" and culprit.error is not None and culprit.crashes == 3
    assert poison.last["error"]["code"] == culprit.error.code == "worker_lost"
    assert poison.text, "it was told what its texts were until then"
    assert sum(not worker.alive() for worker in workers) == 3
    for neighbour in neighbours:
        job = jobs[neighbour.job_id]
        assert job.status == "succeeded" and job.crashes <= 1
        assert [neighbour.text] == fleet.texts(neighbour.job_id) and neighbour.last == "[DONE]"
    fleet.assert_takes_jobs()
