"""The Celery message that wakes a worker. Step 3 on the path of a job.

It is not in `celery_app`, so that a gateway, which only pushes messages, never imports Celery.
"""

import json

from contracts.jobs import RUN_TASK

MESSAGE_TEMPLATE = json.dumps(
    {
        # Plain JSON and not base64, kombu's default, so that people can read it. The queue is all that a worker needs.
        "body": json.dumps([[], {}, {}]),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        # Celery takes a message with the header `task` for one of protocol 2.
        "headers": {"lang": "py", "task": RUN_TASK, "id": "@TAG@", "root_id": "@TAG@", "ignore_result": True},
        # kombu reads both fields of delivery_info, and drops its connection if one is missing.
        "properties": {
            "delivery_tag": "@TAG@",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "@QUEUE@"},
        },
    },
    separators=(",", ":"),
)
"""One message in Celery's protocol 2 as kombu's Redis transport stores it, with placeholders for the queue and the tag.

The scripts of the job store push it in the same step that writes the record. So no process can die between record and
message, and submitting costs one round trip (docs/decisions/0002).
"""
