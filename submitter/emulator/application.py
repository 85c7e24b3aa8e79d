"""The ASGI application: finds the service, plays faults, calls the handler, writes the journal."""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from submitter.emulator.faults import Fault, Faults
from submitter.emulator.journal import Journal, RequestRecord
from submitter.emulator.service import Call, Problem, Route, Service, error_with_code
from submitter.emulator.timestamps import iso, now

logger = logging.getLogger(__name__)


class Application:
    """Answers every request that reaches the emulator's TLS server.

    Args:
        services: The played services, tried in order.
        faults: Rules that make them fail.
        journal: Where requests and unknown routes are noted.

    Attributes:
        latency: Seconds added to each request, for measurements.
    """

    def __init__(self, services: Sequence[Service], faults: Faults, journal: Journal) -> None:
        self._services = tuple(services)
        self._faults = faults
        self._journal = journal
        self.latency = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        started = time.perf_counter()
        moment = iso(now())
        try:
            call = await _read(Request(scope, receive))
        except ClientDisconnect:
            return
        service, route, parameters = self._find(call)
        name = service.name if service else "unknown"
        fault = self._faults.take(service.name if service else "", call.method, _target(call))
        if self.latency:
            await asyncio.sleep(self.latency)
        call = replace(call, parameters=parameters, token_fault=fault.token if fault else None)
        response = await self._answer(call, service, route, fault, receive)
        milliseconds = (time.perf_counter() - started) * 1000
        status = response.status_code if response else 0
        self._journal.requests.append(
            RequestRecord(moment, name, call.method, call.host, call.path, status, milliseconds)
        )
        if response is None or (fault is not None and fault.lose_answer):
            await _cut_connection(scope)
            return
        response.headers.setdefault("x-ms-request-id", str(uuid.uuid4()))
        if fault is not None and fault.cut_body:
            await _send_half(response, send)
            await _cut_connection(scope)
            return
        await response(scope, receive, send)

    def _find(self, call: Call) -> tuple[Service | None, Route | None, Mapping[str, str]]:
        """Return who answers a call; the service alone where the host is played, not the path."""
        playing = [service for service in self._services if service.plays(call.host)]
        for service in playing:
            for route in service.routes:
                parameters = route.parameters_of(call.method, call.path)
                if parameters is not None:
                    return service, route, parameters
        return (playing[0] if playing else None), None, {}

    async def _answer(
        self,
        call: Call,
        service: Service | None,
        route: Route | None,
        fault: Fault | None,
        receive: Receive,
    ) -> Response | None:
        """Return the answer, or None where the connection is to be cut."""
        render = service.render if service else error_with_code
        if fault is not None:
            await asyncio.sleep(fault.delay)
            if fault.silent:
                await _until_the_client_leaves(receive)
            if fault.silent or fault.drop:
                return None
            if fault.problem is not None:
                return _play(fault, fault.problem, render)
        if service is None or route is None:
            return render(self._unknown(call))
        return await run_in_threadpool(_handle, call, service, route)

    def _unknown(self, call: Call) -> Problem:
        self._journal.unknown_routes.append(f"{call.method} https://{call.host}{call.path}")
        return Problem(
            # Not 404, which many a client takes for a thing that is missing, and not one of the
            # statuses that clients try again.
            501,
            "NotPlayedByEmulator",
            f"The emulator does not play {call.method} {call.path} of {call.host}. "
            "Its README lists what it plays.",
        )


async def _read(request: Request) -> Call:
    return Call(
        method=request.method,
        host=request.headers.get("host", "").split(":")[0],
        path=request.scope["path"],
        headers=dict(request.headers),
        query=dict(request.query_params),
        body=await request.body(),
        raw_path=(request.scope.get("raw_path") or b"").decode("ascii"),
    )


def _target(call: Call) -> str:
    """Return what fault rules see of an address: of its query only the operation, no signature."""
    component = call.query.get("comp")
    return call.path if component is None else f"{call.path}?comp={component}"


def _handle(call: Call, service: Service, route: Route) -> Response:
    """Authenticate the caller and run the handler, in a worker thread."""
    try:
        if not route.public:
            call = replace(call, claims=service.authenticate(call))
        return route.handler(call)
    except Problem as problem:
        return service.render(problem)
    except Exception:
        # A defect of the emulator must look like one, not like a hanging client.
        logger.exception("%s failed on %s %s", service.name, call.method, call.path)
        return service.render(
            Problem(500, "EmulatorDefect", f"The emulator failed on {call.method} {call.path}.")
        )


def _play(fault: Fault, problem: Problem, render: Callable[[Problem], Response]) -> Response:
    """Write the answer that a fault rule asks for."""
    if fault.body is None:
        response = render(problem)
    elif isinstance(fault.body, (str, bytes)):
        response = Response(fault.body, problem.status)
    else:
        response = Response(json.dumps(fault.body), problem.status, media_type="application/json")
    response.headers.update(fault.headers)
    return response


async def _until_the_client_leaves(receive: Receive) -> None:
    """Wait, without a limit: the server's stop ends this task with all others."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_half(response: Response, send: Send) -> None:
    """Send a head that promises the whole body, and half of it."""
    body = bytes(response.body)
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )
    half = body[: max(1, len(body) // 2)]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await asyncio.sleep(0.05)  # an abort would throw away what was not sent yet


async def _cut_connection(scope: Scope) -> None:
    """Abort the transport that `server.py` put into the scope, and let uvicorn notice."""
    scope["extensions"]["emulator.transport"].abort()
    await asyncio.sleep(0.01)
