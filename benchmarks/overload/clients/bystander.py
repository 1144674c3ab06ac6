"""Tenant B: sends single requests one after another and measures how long it waits. A process of its own.

``python -m benchmarks.overload.clients.bystander``: reads one JSON document from the first line of its standard input:
``port``, ``key``, ``requests`` (a list of kind, path and body), ``num_rounds`` and ``give_up_s``. It sends the requests
in turn, ``num_rounds`` times or until its standard input ends, and then prints a list of samples as JSON.
"""

import json
import select
import sys
import time
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from typing import Any

from benchmarks.overload.report import code_of

PAUSE_S = 0.02


def main() -> None:
    """Send requests until the end; print a sample for each."""
    plan = json.loads(sys.stdin.readline())
    samples: list[dict[str, Any]] = []
    for _ in range(plan["num_rounds"]):
        for kind, path, body in plan["requests"]:
            samples.append({"kind": kind, **_sample(plan, path, body)})
            if select.select([sys.stdin], [], [], PAUSE_S)[0]:
                break
        else:
            continue
        break
    print(json.dumps(samples))


def _sample(plan: dict[str, Any], path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {plan['key']}", "Content-Type": "application/json"}
    began = time.perf_counter()
    # A new connection each time: that a gateway accepts none is a part of the wait.
    status, job_id, answer = _ask(plan, "POST", path, json.dumps(body).encode(), headers)
    sample = {"ms": 1000 * (time.perf_counter() - began), "status": status, "code": code_of(answer)}
    if status == 200 and job_id:
        status, _, answer = _ask(plan, "GET", f"/v1/jobs/{job_id}", None, headers)
        if status == 200:
            job = json.loads(answer)
            sample["infer_ms"] = (job["timings"] or {}).get("infer_ms", 0.0)
            sample["queue_ms"] = _ms_between(job["created_at"], job["started_at"])
            sample["worker_ms"] = _ms_between(job["started_at"], job["completed_at"])
    return sample


def _ms_between(first: str, last: str) -> float:
    return 1000 * (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def _ask(
    plan: dict[str, Any], method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, str, bytes]:
    connection = HTTPConnection("127.0.0.1", plan["port"], timeout=plan["give_up_s"])
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers.get("X-Triptych-Job-Id") or "", response.read()
    except (OSError, HTTPException):
        return 0, "", b""
    finally:
        connection.close()


if __name__ == "__main__":
    main()
