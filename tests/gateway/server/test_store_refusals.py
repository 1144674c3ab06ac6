"""The store answers and refuses: a full disk, a replica, missing rights. The gateway says so, and recovers."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from services.gateway.monitoring import loop_lag
from tests.gateway.fakes.generation import UNSERVED_GENERATOR
from tests.gateway.fakes.worker import UNSERVED, announce
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.support.valkey import ValkeyServer, free_port, running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

USER, PASSWORD = "gateway", "pw"
BODY = {"task": "embed", "inputs": "text", "model": UNSERVED}
SUBMITS = {
    "/v1/jobs": BODY,
    "/v1/embed": {"inputs": "x", "model": UNSERVED},
    "/v1/generate": {"inputs": "x", "model": UNSERVED_GENERATOR, "stream": True},
    "/v1/embeddings": {"input": "x", "model": UNSERVED},
}


@dataclass(frozen=True)
class Refusing:
    """A gateway, and an operator's client of its store with the folder of the store's data."""

    gateway: GatewayProcess
    operator: redis.Redis
    folder: Path

    def rules(self, *rules: str) -> None:
        """Change the rights of the gateway's user."""
        self.operator.execute_command("ACL", "SETUSER", USER, *rules)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refusing]:
    folder = tmp_path_factory.mktemp("refusing")
    with running_valkey(folder / "valkey") as valkey, redis.Redis(port=valkey.port) as operator:
        announce(valkey.url)
        operator.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
        url = valkey.url.replace("//", f"//{USER}:{PASSWORD}@")
        with running_gateway(url, folder) as gateway:
            yield Refusing(gateway, operator, folder / "valkey")


def fill_disk(store: Refusing) -> None:
    """Let the store's save fail, as on a full disk: where its file should be is a folder."""
    (store.folder / "dump.rdb" / "full").mkdir(parents=True)
    store.operator.config_set("save", "3600 1")
    _save(store, "err")


def empty_disk(store: Refusing) -> None:
    """Let the store save again."""
    (store.folder / "dump.rdb" / "full").rmdir()
    (store.folder / "dump.rdb").rmdir()
    _save(store, "ok")
    store.operator.config_set("save", "")


def _save(store: Refusing, outcome: str) -> None:
    def saved() -> bool:
        found = store.operator.info("persistence")
        return not found["rdb_bgsave_in_progress"] and found["rdb_last_bgsave_status"] == outcome

    store.operator.bgsave()
    wait_until(saved, "the store did not try to save")


def replicate(store: Refusing) -> None:
    """Turn the store into a replica of a server that is not there, so that it keeps its data."""
    store.operator.replicaof("127.0.0.1", str(free_port()))


def change_password(store: Refusing) -> None:
    """Change the password, and break the connections that were opened with the old one."""
    store.rules("resetpass", ">other")
    store.operator.execute_command("CLIENT", "KILL", "USER", USER)


Change = Callable[[Refusing], object]
TAKES_NO_WRITES: dict[str, tuple[str, Change, Change]] = {
    "full disk": ("MISCONF", fill_disk, empty_disk),
    "replica": ("READONLY", replicate, lambda store: store.operator.replicaof("NO", "ONE")),
    "no replicas": (
        "NOREPLICAS",
        lambda store: store.operator.config_set("min-replicas-to-write", 1),
        lambda store: store.operator.config_set("min-replicas-to-write", 0),
    ),
    "no memory": (
        "OOM",
        lambda store: store.operator.config_set("maxmemory", 1),
        lambda store: store.operator.config_set("maxmemory", 0),
    ),
    "no scripts": ("NOPERM", lambda store: store.rules("-@scripting"), lambda store: store.rules("+@all")),
    "no queues": ("NOPERM", lambda store: store.rules("resetkeys", "~triptych:*"), lambda store: store.rules("~*")),
    "no channels": ("NOPERM", lambda store: store.rules("resetchannels"), lambda store: store.rules("&*")),
}
CAN_NOT_BE_READ: dict[str, tuple[str, Change, Change]] = {
    "no rights": ("NOPERM", lambda store: store.rules("-@all"), lambda store: store.rules("+@all")),
    "wrong password": ("WRONGPASS", change_password, lambda store: store.rules("resetpass", f">{PASSWORD}")),
    "stale replica": (
        "MASTERDOWN",
        lambda store: (store.operator.config_set("replica-serve-stale-data", "no"), replicate(store)),
        lambda store: (
            store.operator.replicaof("NO", "ONE"),
            store.operator.config_set("replica-serve-stale-data", "yes"),
        ),
    ),
}


@pytest.mark.parametrize("fault", [*TAKES_NO_WRITES, *CAN_NOT_BE_READ])
def test_a_store_that_refuses_is_named_and_the_gateway_recovers(refusing: Refusing, fault: str) -> None:
    code, break_it, mend_it = (TAKES_NO_WRITES | CAN_NOT_BE_READ)[fault]
    with httpx.Client(base_url=refusing.gateway.url, timeout=PATIENCE_S) as client:
        # This connection's process may not know yet that the store has recovered from the test before.
        wait_until(lambda: client.get("/readyz").status_code == 200, "not ready")
        job_id = client.post("/v1/jobs", json=BODY).json()["id"]
        num_lines = len(_log(refusing))
        break_it(refusing)
        try:
            # The first submits may come before the monitor has noticed. Without channels that is no fault: a submit
            # publishes nothing.
            at_once = SUBMITS if fault != "no channels" else {}
            answers = [client.post(path, json=body) for path, body in at_once.items()]
            wait_until(lambda: client.get("/readyz").status_code == 503, "readiness says that all is well")
            answers += [client.post(path, json=body) for path, body in SUBMITS.items()]
            read = client.get(f"/v1/jobs/{job_id}")
            reasons = client.get("/readyz").json()["reasons"]
            lines = _log(refusing)[num_lines:]
        finally:
            mend_it(refusing)
        wait_until(lambda: client.get("/readyz").status_code == 200, "not ready again")
        assert client.post("/v1/jobs", json=BODY).status_code == 202
    assert len(reasons) == 1 and code in reasons[0]
    for answer in answers:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (503, "unavailable"), answer.text
        assert code in error["message"] and "out of reach" not in error["message"]
        assert "Retry-After" in answer.headers
    assert read.status_code == (503 if fault in CAN_NOT_BE_READ else 200)
    assert not any("Traceback" in line for line in lines)
    # One of the monitor and one of the reaper, in each process, however many requests were refused.
    told = [line for line in map(json.loads, lines) if line["level"] in {"warning", "error"}]
    told = [line for line in told if line["logger"] != loop_lag.__name__]  # a busy machine is no concern of this test
    assert 1 <= len(told) <= 2 * len(psutil.Process(refusing.gateway.pid).children()), told
    assert any(code in line["message"] for line in told), told


def _log(store: Refusing) -> list[str]:
    """Return the lines so far, without one that is being written."""
    return store.gateway.log.read_text().split("\n")[:-1]


def test_rules_that_forbid_dangerous_commands_are_enough(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)
    with redis.Redis(port=valkey_server.port) as operator:
        operator.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all", "-@dangerous")
    url = valkey_server.url.replace("//", f"//{USER}:{PASSWORD}@")
    with running_gateway(url, tmp_path) as gateway:
        assert httpx.post(f"{gateway.url}/v1/jobs", json=BODY).status_code == 202
