"""Asks a played service without HTTP: the route, the caller's token, the handler."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from submitter.emulator.service import Call, Service


@dataclass(frozen=True)
class ServiceClient:
    """A caller of one service.

    Attributes:
        service: The service.
        token: The caller's bearer token, if it has one.
        base: What comes before every path.
        host: The host name that is asked for.
    """

    service: Service
    token: str | None = None
    base: str = ""
    host: str = "played.example"

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request; a refusal is raised as the service's `Problem`."""
        signed_in = {"authorization": f"Bearer {self.token}"} if self.token else {}
        call = Call(
            method=method,
            host=self.host,
            path=self.base + path,
            headers={**signed_in, **(headers or {})},
            query=query or {},
            body=b"" if body is None else json.dumps(body).encode(),
            raw_path=self.base + path,
        )
        for route in self.service.routes:
            parameters = route.parameters_of(method, call.path)
            if parameters is not None:
                call = replace(call, parameters=parameters)
                if not route.public:
                    call = replace(call, claims=self.service.authenticate(call))
                return route.handler(call)
        raise LookupError(f"{method} {call.path}")

    def ask(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """Send a request and return the JSON of its answer."""
        return json.loads(self.send(method, path, body, query).body)
