"""The ASGI application: finds the service, plays faults, calls the handler, writes the journal."""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
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
        response = await self._answer(replace(call, parameters=parameters), service, route)
        milliseconds = (time.perf_counter() - started) * 1000
        status = response.status_code if response else 0
        self._journal.requests.append(
            RequestRecord(moment, name, call.method, call.host, call.path, status, milliseconds)
        )
        if response is None:
            await _cut_connection(scope)
            return
        response.headers.setdefault("x-ms-request-id", str(uuid.uuid4()))
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
        self, call: Call, service: Service | None, route: Route | None
    ) -> Response | None:
        """Return the answer, or None where the connection is to be cut."""
        if self.latency:
            await asyncio.sleep(self.latency)
        render = service.render if service else error_with_code
        fault = self._faults.take(service.name if service else "", call.method, call.path)
        if fault is not None:
            await asyncio.sleep(fault.delay)
            if fault.drop:
                return None
            if fault.status is not None:
                return _play(fault, fault.status, service)
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


def _play(fault: Fault, status: int, service: Service | None) -> Response:
    """Write the answer that a fault rule asks for."""
    if fault.body is None:
        problem = Problem(status, "InjectedFault", "The emulator was told to fail this request.")
        response = (service.render if service else error_with_code)(problem)
    elif isinstance(fault.body, (str, bytes)):
        response = Response(fault.body, status)
    else:
        response = Response(json.dumps(fault.body), status, media_type="application/json")
    response.headers.update(fault.headers)
    return response


async def _cut_connection(scope: Scope) -> None:
    """Abort the transport that `server.py` put into the scope, and let uvicorn notice."""
    scope["extensions"]["emulator.transport"].abort()
    await asyncio.sleep(0.01)
