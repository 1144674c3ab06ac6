"""Health, metrics, the OpenAPI document and the docs page; and errors of HTTP itself."""

import html.parser
import os
import shutil
import subprocess
import sys
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.cards import WorkerCard
from contracts.figures import DURATION_BOUNDS_S, Durations, GenerationFigures
from contracts.settings import StoreSettings
from contracts.store.keys import PREFIX
from contracts.store.registry import Registry
from services.gateway.app import create_app
from services.gateway.backend import make_backend
from services.gateway.settings import GatewaySettings
from tests.gateway.conftest import Stack
from tests.gateway.fakes.generation import CHAT_MODEL, GENERATOR
from tests.gateway.fakes.seq2seq import CORRECTOR, SUMMARIZER, TRANSLATOR
from tests.gateway.fakes.worker import CARDS, EMBED, UNSERVED
from tests.gateway.streams import items_of
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def document(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{stack.gateway.url}/openapi.json").json()
    return found


def test_a_healthy_gateway_is_live_and_ready(http: httpx.Client) -> None:
    for path in ("/livez", "/readyz"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "reasons": []})


def test_metrics_count_requests_and_read_the_queue_from_the_store(http: httpx.Client) -> None:
    http.post("/v1/embed", json={"inputs": "text"})
    http.post("/v1/jobs", json={"task": "embed", "inputs": "text", "model": UNSERVED})
    answer = http.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    samples = {(sample.name, *sorted(sample.labels.values())): sample.value
               for family in families.values() for sample in family.samples}  # fmt: skip
    assert samples["triptych_store_up",] == 1
    assert samples["triptych_jobs_waiting", UNSERVED] >= 1
    assert samples["triptych_oldest_waiting_seconds", UNSERVED] > 0
    assert samples["triptych_jobs_live",] >= 1
    assert samples["triptych_broken_records",] == 0
    assert samples["triptych_jobs_finished_total", "succeeded", EMBED] >= 1
    assert samples["triptych_http_requests_total", "/v1/embed", "200"] >= 1
    assert samples["triptych_submits_total", "embed", "false"] >= 1
    assert samples["triptych_workers_alive",] == 0
    assert samples["triptych_streams_open",] >= 0
    assert samples["triptych_body_bytes",] >= 0 and samples["triptych_gateway_loop_lag_seconds",] >= 0
    assert "triptych_http_request_seconds" in families


def test_a_model_can_be_named_as_soon_as_it_is_announced(stack: Stack, http: httpx.Client) -> None:
    """Whoever saw the announcement may count on it, though the gateway looks once a second by itself."""
    client = stack.store.client
    card = next(card for card in CARDS if card.name == UNSERVED)
    for number in range(5):
        name = f"zz-just-now-{number}"  # behind all others, so that nobody else is given it who names none
        Registry(client).announce(msgspec.structs.replace(card, name=name))
        answer = http.post("/v1/jobs", json={"task": "embed", "inputs": "x", "model": name})
        client.delete(f"{PREFIX}model:{name}")
        client.srem(f"{PREFIX}models", name)
        assert answer.status_code == 202, answer.text


def test_the_figures_of_a_generating_worker_are_shown(stack: Stack, http: httpx.Client) -> None:
    durations = Durations([0, 2, 1, *[0] * (len(DURATION_BOUNDS_S) - 3), 4], 99.5)
    figures = GenerationFigures(
        tokens_in=11, tokens_out=22, rows_running=3, rows_waiting=4, pauses=7, cache_tokens=55, cache_max_tokens=66,
        first_token=durations, token_gap=durations,
    )  # fmt: skip
    card = WorkerCard(
        id="w-1", host="h", pid=1, models=[GENERATOR], started_at=1.5, running=3, num_batches=1, num_rows=1,
        real_tokens=1, padded_tokens=1, rss_bytes=1, generation=figures,
    )  # fmt: skip
    registry = Registry(stack.store.client)
    registry.beat(card, 30)
    try:
        families = text_string_to_metric_families(http.get("/metrics").text)
        own = [sample for family in families for sample in family.samples if sample.labels.get("worker") == "w-1"]
        samples = {(sample.name, sample.labels.get("le")): sample.value for sample in own}
        workers = http.get("/v1/workers").json()["data"]
    finally:
        registry.leave("w-1")
    for name, value in (("tokens_in_total", 11), ("tokens_out_total", 22), ("rows_running", 3), ("rows_waiting", 4),
                        ("pauses_total", 7),
                        ("cache_tokens", 55), ("cache_max_tokens", 66)):  # fmt: skip
        assert samples[f"triptych_worker_{name}", None] == value
    for name in ("first_token", "token_gap"):
        buckets = [samples[f"triptych_worker_{name}_seconds_bucket", str(bound)] for bound in DURATION_BOUNDS_S]
        assert buckets == [0, 2, *[3] * (len(DURATION_BOUNDS_S) - 2)]
        assert samples[f"triptych_worker_{name}_seconds_bucket", "+Inf"] == 7
        assert samples[f"triptych_worker_{name}_seconds_count", None] == 7
        assert samples[f"triptych_worker_{name}_seconds_sum", None] == 99.5
    assert workers[0]["generation"]["tokens_out"] == 22


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "//v1/jobs", "/v1/jobs/", "/v1/jobs/a/b/c", "/%2e%2e/x"])
def test_unknown_paths_are_errors_in_the_same_format(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "route_not_found")
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("PUT", "/v1/jobs", "GET, HEAD, POST"), ("GET", "/v1/embed", "POST"), ("OPTIONS", "/v1/embed", "POST"),
    ("POST", "/livez", "GET, HEAD"), ("PATCH", f"/v1/jobs/{'A' * 22}", "DELETE, GET, HEAD"),
])  # fmt: skip
def test_a_wrong_method_is_refused(http: httpx.Client, method: str, path: str, allowed: str) -> None:
    answer = http.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_the_document_describes_every_route(document: dict[str, Any]) -> None:
    backend = make_backend(GatewaySettings(), StoreSettings())
    app = create_app(GatewaySettings(), backend)
    served = {
        (method.lower(), rule.rule.replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method != "HEAD"
    }
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert served == described


def test_what_holds_a_connection_may_reach_the_share_of_a_tenant(document: dict[str, Any]) -> None:
    may = {
        (method, path)
        for path, item in document["paths"].items()
        for method in item
        if "429" in item[method]["responses"]
    }
    assert {("post", "/v1/jobs"), ("get", "/v1/jobs/{job_id}"), ("get", "/v1/jobs/{job_id}/events")} <= may
    answers = [item[method]["responses"] for item in document["paths"].values() for method in item]
    errors = [found[status] for found in answers if "401" in found for status in ("429", "503") if status in found]
    assert errors and all("Retry-After" in error["headers"] for error in errors)
    assert not may & {("get", "/v1/jobs"), ("post", "/v1/jobs/{job_id}/cancel"), ("get", "/v1/usage")}


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/embed", "/v1/embeddings", "/translate"])
def test_headers_of_an_accepted_job_are_documented(http: httpx.Client, document: dict[str, Any], path: str) -> None:
    operation = document["paths"][path]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    model = {"model": EMBED} if "model" in example else {}
    answer = http.post(path, json=example | model, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    responses = operation["responses"]
    sent = {name.lower() for name in answer.headers}
    documented = {name.lower() for name in responses["202"]["headers"]}
    assert {"etag", "location", "retry-after"} <= sent & documented
    assert not {"Location", "Retry-After"} & set(responses["200"]["headers"])
    assert "ETag" in document["paths"]["/v1/jobs/{job_id}"]["get"]["responses"]["304"]["headers"]


def test_the_document_tells_what_usage_takes_and_sends(document: dict[str, Any]) -> None:
    usage = document["paths"]["/v1/usage"]["get"]
    assert set(usage["responses"]["200"]["content"]) == {"application/json", "text/csv"}
    schemas = {one["name"]: one["schema"] for one in usage["parameters"]}
    assert schemas["start"]["format"] == schemas["end"]["format"] == "date"
    assert schemas["format"]["enum"] == ["csv", "json"]
    for text, is_valid in (("day", True), ("tenant,day,key,model", True), ("hour", False), ("day,", False)):
        assert jsonschema.Draft202012Validator(schemas["by"]).is_valid(text) == is_valid


def test_the_document_bounds_what_lists_of_jobs_take(document: dict[str, Any]) -> None:
    jobs = document["paths"]["/v1/jobs"]["get"]["parameters"]
    schemas = {one["name"]: one["schema"] for one in jobs}
    assert "succeeded" in schemas["status"]["enum"]
    assert (schemas["limit"]["minimum"], schemas["limit"]["maximum"]) == (1, 100)


def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    ids = []
    for path, methods in document["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            assert operation["summary"] and operation["tags"] and operation["responses"], path
            in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert in_path == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert all(p["required"] for p in operation["parameters"] if p["in"] == "path")
            assert all(answer["description"] for answer in operation["responses"].values())
    assert len(set(ids)) == len(ids)
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name
    for reference in _references(document):
        _, components, kind, name = reference.split("/")
        assert components == "components" and name in document["components"][kind], reference


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [reference for item in node for reference in _references(item)]
    if not isinstance(node, dict):
        return []
    mine = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return mine + [reference for item in node.values() for reference in _references(item)]


def _validate(document: dict[str, Any], schema: Any, instance: Any) -> None:
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(instance)


def test_requests_and_responses_match_the_document(http: httpx.Client, document: dict[str, Any]) -> None:
    calls = {
        ("post", "/v1/embed"): None, ("post", "/v1/classify"): None, ("post", "/v1/jobs"): None,
        ("get", "/v1/models"): None, ("get", "/v1/workers"): None, ("get", "/livez"): None, ("get", "/v1/jobs"): None,
    }  # fmt: skip
    for method, path in calls:
        operation = document["paths"][path][method]
        body = None
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            body = content["example"]
            _validate(document, content["schema"], body)
        answer = http.request(method, path, json=body)
        schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
        _validate(document, schema, answer.json())
    streamed = [
        ("/v1/generate", GENERATOR),
        ("/v1/completions", GENERATOR),
        ("/v1/chat/completions", CHAT_MODEL),
    ]
    streamed += [("/v1/translate", TRANSLATOR), ("/v1/summarize", SUMMARIZER), ("/v1/denoise", CORRECTOR)]
    for path, model in streamed:
        operation = document["paths"][path]["post"]
        body = {**operation["requestBody"]["content"]["application/json"]["example"], "model": model}
        if isinstance(body.get("inputs"), list):
            body["inputs"] = body["inputs"][0]
        _validate(document, operation["requestBody"]["content"]["application/json"]["schema"], body)
        content = operation["responses"]["200"]["content"]
        whole = http.post(path, json={**body, "stream": False})
        _validate(document, content["application/json"]["schema"], whole.json())
        with http.stream("POST", path, json={**body, "stream": True}) as answer:
            items = [item["data"] for item in items_of(answer)]
        for item in items:
            if item != "[DONE]":
                _validate(document, content["text/event-stream"]["schema"], item)
    _check_other_apis(http, document)
    finished = http.post("/v1/jobs", json={"task": "embed", "inputs": "x"}, headers={"Prefer": "wait=20"}).json()
    _validate(document, {"$ref": "#/components/schemas/JobView"}, finished)
    _validate(document, {"$ref": "#/components/schemas/ErrorDocument"}, http.get("/nothing").json())


def _check_other_apis(http: httpx.Client, document: dict[str, Any]) -> None:
    """Hold what LibreTranslate's and LanguageTool's routes answer against their description, errors too."""
    for path, kind, media_type in (
        ("/translate", "json", "application/json"),
        ("/v2/check", "data", "application/x-www-form-urlencoded"),
    ):
        operation = document["paths"][path]["post"]
        contents = operation["requestBody"]["content"]
        assert next(iter(contents)) == media_type
        body = contents[media_type]["example"]
        _validate(document, contents[media_type]["schema"], body)
        options: dict[str, Any] = {kind: body}
        answer = http.post(path, **options)
        _validate(document, operation["responses"]["200"]["content"]["application/json"]["schema"], answer.json())
        options = {kind: {}}
        refused = http.post(path, **options)
        ((error_type, error),) = operation["responses"][str(refused.status_code)]["content"].items()
        assert refused.headers["Content-Type"].startswith(error_type)
        _validate(document, error["schema"], refused.json() if kind == "json" else refused.text)
        assert "422" not in operation["responses"]
    for path in ("/languages", "/v2/languages"):
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        _validate(document, schema, http.get(path).json())


class Page(html.parser.HTMLParser):
    """Collects what a page links to, and the ids in it; fails on tags that are not closed."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {str(found["id"])} if "id" in found else set()
        self.links |= {str(found[name]) for name in ("href", "src", "action") if name in found}
        if tag not in self.VOID:
            self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_docs_page_is_self_contained_and_shows_every_route(http: httpx.Client, document: dict[str, Any]) -> None:
    answer = http.get("/docs")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    page = Page()
    page.feed(answer.text)
    assert page.tags == []
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert {operation["operationId"] for operation in operations} <= page.ids
    for operation in operations:
        assert operation["x-codeSamples"][0]["source"] in page.text
    assert {link for link in page.links if not link.startswith("#")} == {"/openapi.json"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    assert "parameters.truncate" in page.text and "text_pair" not in page.ids


def test_the_docs_page_renders_in_a_browser(stack: Stack) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium on PATH")
    options = ["--headless", "--disable-gpu", "--no-sandbox", "--disable-dev-shm-usage", "--dump-dom"]
    found = subprocess.run(
        [browser, *options, f"{stack.gateway.url}/docs"], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert 'id="post_v1_embed"' in found.stdout and "Turn texts into vectors" in found.stdout


def test_the_command_line_prints_the_same_document(document: dict[str, Any]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIPTYCH_")}
    command = [sys.executable, "-m", "services.gateway", "openapi"]
    found = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert httpx.Response(200, text=found.stdout).json() == document
