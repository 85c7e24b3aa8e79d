"""What every played service is made of: routes, handlers, and a way to say no.

A handler is an ordinary function from a `Call` to a response. It runs in a thread pool, with
everything already read, so that state behind it needs a lock and nothing needs `await`.
"""

import fnmatch
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from re import Pattern
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path

Claims = Mapping[str, Any]


@dataclass(frozen=True)
class TokenFault:
    """What is wrong with a token that a sign-in endpoint is made to hand out.

    Attributes:
        seconds: How long it is valid; 0 or less for one that has expired, which its endpoint does
            not say. None for the usual time.
        tenant: The tenant that it is from; None for the right one.
    """

    seconds: float | None = None
    tenant: str | None = None


@dataclass(frozen=True)
class Call:
    """One request, completely read.

    Attributes:
        method: The HTTP method.
        host: The host name that the client asked for.
        path: The decoded path.
        headers: The headers, their names in lower case.
        query: The last value of each query parameter.
        body: The request body.
        parameters: What the route took out of the path.
        claims: What the caller's token says; empty where a service asks for none.
        raw_path: The path as it was sent, for signatures over it.
        token_fault: What a fault rule does to the token that answers it.
    """

    method: str
    host: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)
    claims: Claims = field(default_factory=dict, repr=False)
    raw_path: str = ""
    token_fault: TokenFault | None = None

    @property
    def json(self) -> Any:
        """The body as JSON, or None if there is no body.

        Raises:
            Problem: The body is no JSON.
        """
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            raise Problem(400, "BadRequest", "The request body is not valid JSON.") from None

    @property
    def bearer_token(self) -> str | None:
        """The token of the Authorization header, if there is one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token.strip() else None


class Problem(Exception):  # noqa: N818 - a refusal that a service plays, not an error of this program
    """A request that a service refuses; each service writes it in its own shape.

    Args:
        status: The HTTP status.
        code: The service's own word for it, such as `SecretNotFound`.
        message: One sentence for a person.
        inner_code: A finer code, where the service has one.
        headers: Headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner_code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.inner_code = inner_code
        self.headers = dict(headers or {})


Handler = Callable[[Call], Response]


@dataclass(frozen=True)
class Route:
    """A method and a path, in Starlette's path syntax, and who answers it.

    A public route answers without asking who calls.
    """

    method: str
    path: str
    handler: Handler
    public: bool = False
    pattern: Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", compile_path(self.path)[0])

    def parameters_of(self, method: str, path: str) -> Mapping[str, str] | None:
        """Return the path's parameters if this route answers the request."""
        if method != self.method:
            return None
        match = self.pattern.match(path)
        return match.groupdict() if match else None


def nobody(_call: Call) -> Claims:
    """Let every caller in, as sign-in and discovery endpoints do."""
    return {}


def error_with_code(problem: Problem) -> Response:
    """Write a problem as `{"error": {"code", "message"}}`, the shape most of Azure uses."""
    error: dict[str, Any] = {"code": problem.code, "message": problem.message}
    if problem.inner_code:
        error["innererror"] = {"code": problem.inner_code}
    return JSONResponse({"error": error}, problem.status, problem.headers)


@dataclass(frozen=True)
class Service:
    """A group of routes under a host name.

    Attributes:
        name: What fault rules and request records call it.
        host: The host name, `*` standing for any label.
        routes: The routes, tried in order.
        authenticate: Takes a call to the claims of its caller, or raises a `Problem`.
        render: Writes a `Problem` in the service's own shape.
    """

    name: str
    host: str
    routes: tuple[Route, ...]
    authenticate: Callable[[Call], Claims] = nobody
    render: Callable[[Problem], Response] = error_with_code

    def plays(self, host: str) -> bool:
        """Say whether this service answers under a host name."""
        return fnmatch.fnmatchcase(host.lower(), self.host.lower())
