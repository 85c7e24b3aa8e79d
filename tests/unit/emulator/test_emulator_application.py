"""From a request to an answer: routes, faults, the journal."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from submitter.emulator.application import Application
from submitter.emulator.faults import Faults
from submitter.emulator.journal import Journal
from submitter.emulator.service import Call, Claims, Problem, Route, Service


def echo(call: Call) -> Response:
    """Answer with what was understood."""
    return JSONResponse(
        {"name": call.parameters["name"], "query": dict(call.query), "caller": call.claims["sub"]}
    )


def broken(_call: Call) -> Response:
    """Fail the way a defect does."""
    raise RuntimeError("a canary-value in a traceback")


def token_needed(call: Call) -> Claims:
    """Let in who has a token."""
    if call.bearer_token is None:
        raise Problem(401, "Unauthorized", "No token.", headers={"WWW-Authenticate": "Bearer"})
    return {"sub": call.bearer_token}


@pytest.fixture
def journal() -> Journal:
    """Make an empty journal."""
    return Journal()


@pytest.fixture
def faults() -> Faults:
    """Make an empty set of rules."""
    return Faults()


@dataclass(frozen=True)
class Answer:
    """A status, headers in lower case, a body."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.content)


class Client:
    """Calls an application the way a server does (ASGI 3)."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def get(self, path: str, **settings: str) -> Answer:
        """Send a GET."""
        return self.request("GET", path, **settings)

    def request(
        self,
        method: str,
        path: str,
        query: str = "",
        host: str = "kv.vault.example",
        authorization: str = "Bearer me",
    ) -> Answer:
        """Send a request and collect its answer."""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"host", host.encode()), (b"authorization", authorization.encode())],
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self._application(scope, receive, send))
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers, sent[1]["body"])


@pytest.fixture
def client(journal: Journal, faults: Faults) -> Client:
    """Serve one service under a wildcard host."""
    service = Service(
        "vault",
        "*.vault.example",
        (
            Route("GET", "/things/{name}", echo),
            Route("GET", "/broken", broken),
            Route("GET", "/open", lambda _call: Response(b"open"), public=True),
        ),
        authenticate=token_needed,
    )
    return Client(Application([service], faults, journal))


def test_a_handler_gets_path_query_and_caller(client: Client) -> None:
    """Everything that a handler needs is in the call."""
    answer = client.get("/things/a b", query="x=1")
    assert answer.json() == {"name": "a b", "query": {"x": "1"}, "caller": "me"}
    assert answer.headers["x-ms-request-id"]


def test_a_caller_without_a_token_is_challenged(client: Client) -> None:
    """Headers of a problem are sent; a public route asks nobody."""
    answer = client.get("/things/x", authorization="")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert client.get("/open", authorization="").content == b"open"


@pytest.mark.parametrize(
    ("method", "path", "host"),
    [
        ("GET", "/nothing", "kv.vault.example"),
        ("PUT", "/things/x", "kv.vault.example"),
        ("GET", "/things/x", "elsewhere.example"),
    ],
)
def test_what_is_not_played_is_refused_and_noted(
    client: Client, journal: Journal, method: str, path: str, host: str
) -> None:
    """Unknown paths, methods and hosts leave a line without the query."""
    answer = client.request(method, path, query="secret=canary-value", host=host)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "NotPlayedByEmulator")
    assert len(journal.unknown_routes) == 1
    assert "canary-value" not in journal.unknown_routes[0]


def test_a_defect_is_an_answer_and_no_leak(client: Client) -> None:
    """A handler that fails is a 500 that says whose fault it is, and no more."""
    answer = client.get("/broken")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "EmulatorDefect")
    assert "canary-value" not in answer.content.decode()


def test_the_journal_keeps_no_query_and_no_token(client: Client, journal: Journal) -> None:
    """A record has method, host, path, status and time."""
    client.get("/things/x", query="sig=canary-value")
    (record,) = journal.requests
    assert (record.service, record.method, record.host) == ("vault", "GET", "kv.vault.example")
    assert (record.path, record.status, record.milliseconds > 0) == ("/things/x", 200, True)
    assert "canary-value" not in repr(record)
    assert "Bearer" not in repr(record)


def test_a_fault_answers_before_the_service_does(client: Client, faults: Faults) -> None:
    """Status, headers and body are the rule's; the next request is the service's again."""
    faults.add("vault", status=429, headers={"Retry-After": "7"}, body={"error": {"code": "T"}})
    answer = client.get("/things/x")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json() == {"error": {"code": "T"}}
    assert client.get("/things/x").status_code == 200


def test_a_fault_without_a_body_has_the_services_shape(client: Client, faults: Faults) -> None:
    """Clients parse an injected error like any other."""
    faults.add("vault", status=503)
    assert client.get("/things/x").json()["error"]["code"] == "InjectedFault"


def test_a_fault_without_a_status_lets_the_request_through(client: Client, faults: Faults) -> None:
    """A rule may only delay."""
    rule = faults.add("vault", status=None, delay=0.001)
    assert client.get("/things/x").status_code == 200
    assert rule.remaining == 0


def test_a_rule_sees_the_operation_and_nothing_else_of_a_query(
    client: Client, faults: Faults, journal: Journal
) -> None:
    """Storage is told there what to do; a signature beside it is nobody's to see."""
    rule = faults.add(match="GET /things/a[?]comp=block$", times=None)
    faults.add(match="canary", times=None)
    assert client.get("/things/a", query="comp=block&sig=canary-value").status_code == 503
    assert client.get("/things/a", query="comp=blocklist&sig=canary-value").status_code == 200
    assert client.get("/things/a", query="sig=canary-value").status_code == 200
    assert rule.remaining is None
    assert all("canary" not in each.path for each in journal.requests)
