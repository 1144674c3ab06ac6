"""All that clients do, and how often."""

from collections.abc import Callable

from tests.chaos import jobs, routes
from tests.chaos.client import Client

BEHAVIOURS: dict[Callable[[Client], None], int] = {
    jobs.poll: 3,
    jobs.long_poll: 3,
    jobs.with_etag: 2,
    jobs.follow_events: 4,
    jobs.burst: 1,
    jobs.cancel: 2,
    jobs.delete: 1,
    jobs.repeat: 2,
    jobs.read_list: 1,
    jobs.delivered_once: 2,
    jobs.hurry: 1,
    routes.task_route: 4,
    routes.stream_route: 4,
    routes.chat: 1,
    routes.leave: 1,
}
