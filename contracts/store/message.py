"""The Celery message that wakes a worker: step 3 on the path of a job.

It lives outside of `celery_app` so that a gateway, which only pushes messages, never imports Celery.
"""

import json

from contracts.jobs import RUN_TASK

MESSAGE_TEMPLATE = json.dumps(
    {
        "body": json.dumps([["@ID@"], {}, {}]),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": RUN_TASK, "id": "@TAG@", "root_id": "@TAG@", "ignore_result": True},
        # kombu reads both halves of delivery_info, and drops its connection when one is missing.
        "properties": {
            "delivery_tag": "@TAG@",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "@QUEUE@"},
        },
    },
    separators=(",", ":"),
)
"""One message in Celery's protocol 2 as kombu's Redis transport stores it, with blanks for job, queue and delivery.

The scripts of the job store push it in the same step that writes the record, so a job never waits for a publisher,
and submitting costs one round trip (docs/decisions/0002).
"""
