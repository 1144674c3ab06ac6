"""Requests that are made when they are asked for are those that would have been made at once."""

import time

from tests.unit.decoding.fakes import request
from workers.runtime.decoding.request import Repeated, Sampling, are_streamed, sizes_of_parts

SAMPLINGS = [Sampling(do_sample=True, stream_number=number) for number in range(3)]


def test_each_input_has_a_request_for_each_sampling() -> None:
    firsts = [request([number], 5, input=number, sampling=SAMPLINGS[0]) for number in range(4)]
    requests = Repeated(firsts, SAMPLINGS)
    made = [(one.input, one.sequence, one.sampling.stream_number, one.prompt_ids.tolist()) for one in requests]
    assert len(requests) == 12
    assert made == [(number, sequence, sequence, [number]) for number in range(4) for sequence in range(3)]
    assert [one.input for one in requests[2:5]] == [0, 1, 1] and requests[-1].input == 3
    assert sizes_of_parts(requests) == sizes_of_parts(list(requests)) == {(number, 0): 3 for number in range(4)}


def test_a_job_is_streamed_if_any_of_its_requests_is() -> None:
    plain, streamed = request([1], 5), request([1], 5, stream=True)
    assert are_streamed([plain, streamed]) and not are_streamed([plain])
    assert are_streamed(Repeated([streamed], SAMPLINGS)) and not are_streamed(Repeated([plain], SAMPLINGS))
    assert not are_streamed([]) and not sizes_of_parts(Repeated([], SAMPLINGS))


def test_many_requests_cost_what_their_inputs_cost() -> None:
    """A job of 2,048 inputs and 16 texts for each keeps Python busy for as long as it makes these."""

    def seconds(num_samplings: int) -> float:
        firsts = [request([1], 5, input=number) for number in range(500)]
        started = time.thread_time()
        requests = Repeated(firsts, [SAMPLINGS[0]] * num_samplings)
        assert sum(sizes_of_parts(requests).values()) == len(requests) == 500 * num_samplings
        return time.thread_time() - started

    assert min(seconds(1000) for _ in range(5)) < 5 * min(seconds(1) for _ in range(5)) + 0.001
