"""Names, states and the Celery message of a job."""

import json

from contracts.jobs import STATUSES, TERMINAL, queue_of
from contracts.store.celery_app import make_celery
from contracts.store.message import MESSAGE_TEMPLATE


def test_the_terminal_states_are_states() -> None:
    assert set(STATUSES) > TERMINAL
    assert set(STATUSES) - TERMINAL == {"queued", "running", "cancelling"}


def test_suspects_have_a_lane_of_their_own() -> None:
    assert (queue_of("m"), queue_of("m", suspect=True)) == ("triptych.m", "triptych.m.suspect")


def test_the_message_is_json_and_says_nothing_but_that_its_queue_has_work() -> None:
    message = json.loads(MESSAGE_TEMPLATE)
    assert json.loads(message["body"]) == [[], {}, {}]
    assert message["properties"]["delivery_info"]["routing_key"] == "@QUEUE@"
    assert "]==]" not in MESSAGE_TEMPLATE, "the Lua script quotes the message with these brackets"


def test_the_celery_app_has_the_settings_that_lose_and_duplicate_least() -> None:
    conf = make_celery("redis://127.0.0.1:1/0").conf
    assert conf.task_acks_late is False
    assert conf.result_backend is None and conf.task_ignore_result is True
    assert conf.accept_content == ["json"]
    assert conf.worker_enable_remote_control is False
    assert conf.worker_disable_prefetch is False
    assert conf.broker_channel_error_retry is True
    assert conf.broker_transport_options["socket_timeout"] == 5
