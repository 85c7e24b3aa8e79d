"""What can fail around a run, and what it has to say of it: the cells of the fault matrix."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from submitter.emulator import Emulator, TokenFault

EXPIRED_CLIENT_ID = "55555555-5555-5555-5555-555555555555"
EXPIRED_CLIENT_SECRET = "canary@old%secret"
WRONG_CLIENT_SECRET = "canary:not{this}one"
CERTIFIED = "88888888-0000-0000-0000-000000000001"
OUT_OF_DATE = "88888888-0000-0000-0000-000000000002"
MANAGED = "77777777-0000-0000-0000-000000000001"
ELSEWHERE = "99999999-0000-0000-0000-000000000000"

# https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
TRANSIENT_LOGIN_ERRORS = (
    *(615, 926, 4221, 10928, 10929, 40197, 40501, 40613),
    *(49918, 49919, 49920),
)

ALWAYS = 1000  # more often than any process asks
WELL = ""  # the kind of a cell in which the process has to do well all the same

Rule = Any  # a rule of the emulator, for HTTP or for TDS: it counts down how often it still strikes
Play = Callable[[Emulator], Rule]


@dataclass(frozen=True, eq=False)
class RemoteCell:
    """One fault.

    Attributes:
        service: What fails.
        fault: How.
        kind: The kind of error to expect; empty where the process has to do well all the same.
        play: Makes it fail; None where the variables do.
        times: How often it fails.
        strikes: How often it has to be met, for where the count matters; None for at least once.
        within: Seconds that the process may take.
        program: `check`, or `read` for a script's query.
        variables: What differs among the process's variables; None for one that is not set.
    """

    service: str
    fault: str
    kind: str
    play: Play | None = None
    times: int = ALWAYS
    strikes: int | None = None
    within: float = 12.0
    program: str = "check"
    variables: dict[str, str | None] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """What errors of the kind end with."""
        return {"": 0, "identity": 4, "vault": 5, "sql": 6}[self.kind.split(".")[0]]

    def __str__(self) -> str:
        return f"{self.service}-{self.fault}"


def http(service: str, match: str, **rule: Any) -> Play:
    """Return what makes an HTTP service fail."""
    options = {"times": ALWAYS, "status": None, **rule}
    return lambda azure: azure.faults.add(service, match, **options)


def entra(**rule: Any) -> Play:
    """Return what makes the token endpoint fail."""
    return http("entra", "POST", **rule)


def secret(**rule: Any) -> Play:
    """Return what makes the vault fail where the password is asked for."""
    return http("keyvault", "GET /secrets/sql-password", **rule)


def sql(at: str, **rule: Any) -> Play:
    """Return what makes the SQL Server fail; a statement only if it is the script's."""
    options: dict[str, Any] = {"at": at, "times": ALWAYS, **rule}
    if at in {"query", "rows"}:
        options["matching"] = "dbo.numbers"
    if at == "rows":
        options["after_rows"] = 5000
    return lambda azure: azure.sql.faults.add(**options)


def authority() -> Iterator[RemoteCell]:
    """Entra ID, and a managed identity in its place."""

    def cell(
        fault: str, kind: str, play: Play | None = None, **variables: str | None
    ) -> RemoteCell:
        times = 1 if fault.endswith("once") else ALWAYS
        return RemoteCell("authority", fault, kind, play, times, variables=dict(variables))

    # A host that the SDK does not know is asked about at the public cloud's, never connected to.
    yield cell(
        *("unknown authority", "identity.wrong-authority"),
        AZURE_AUTHORITY_HOST="https://login.invalid",
    )
    yield cell("proxy refuses", "identity.proxy", https_proxy="http://localhost:1")
    yield cell("proxy unknown", "identity.proxy", https_proxy="http://proxy.invalid:1")
    # Behind a proxy nobody can tell who dropped it: the kind says both.
    yield cell("drops the connection", "identity.proxy", entra(drop=True))
    yield cell("cuts its answer", "identity.reset", entra(cut_body=True))
    yield cell("silent", "identity.deadline", entra(silent=True), REMOTE_ENTRY_DEADLINE="3")
    yield cell("slow", WELL, entra(delay=0.5))
    yield cell("not trusted", "identity.tls", REQUESTS_CA_BUNDLE="other_ca.pem")
    yield cell(
        "wrong client secret", "identity.wrong-secret", AZURE_CLIENT_SECRET=WRONG_CLIENT_SECRET
    )
    yield cell(
        *("expired client secret", "identity.expired-secret"),
        AZURE_CLIENT_ID=EXPIRED_CLIENT_ID,
        AZURE_CLIENT_SECRET=EXPIRED_CLIENT_SECRET,
    )
    yield cell("unknown application", "identity.unknown-client", AZURE_CLIENT_ID="nobody")
    yield cell("unknown tenant", "identity.wrong-tenant", AZURE_TENANT_ID="nowhere")
    yield cell("disabled", "identity.disabled", entra(problem="AADSTS7000112"))
    yield cell("blocked", "identity.conditional-access", entra(problem="AADSTS53003"))
    soon = {"Retry-After": "1"}
    yield cell("429, once", WELL, entra(status=429, headers=soon, times=1))
    yield cell("429", "identity.throttled", entra(status=429))
    yield cell("500", "identity.unavailable", entra(status=500))
    yield cell("503", "identity.unavailable", entra(status=503))
    yield cell("503, once", WELL, entra(status=503, times=1))
    for fault, kind, client_id, file in (
        ("foreign certificate", "identity.wrong-certificate", CERTIFIED, "other_key.pem"),
        ("expired certificate", "identity.expired-certificate", OUT_OF_DATE, "old_key.pem"),
    ):
        yield cell(
            *(fault, kind),
            AZURE_CLIENT_ID=client_id,
            AZURE_CLIENT_SECRET="",
            AZURE_CLIENT_CERTIFICATE_PATH=file,
        )
    yield cell(
        *("no managed identity", "identity.no-managed-identity"),
        REMOTE_ENTRY_IDENTITY="managed-identity",
        AZURE_POD_IDENTITY_AUTHORITY_HOST="http://localhost:1",
        MSI_ENDPOINT=None,
        MSI_SECRET=None,
    )
    managed = {"REMOTE_ENTRY_IDENTITY": "managed-identity"}
    yield cell("managed identity", WELL, **managed)
    yield cell(
        *("foreign managed identity", "identity.no-managed-identity"),
        **managed,
        MANAGED_IDENTITY_CLIENT_ID=ELSEWHERE,
    )


def vault() -> Iterator[RemoteCell]:
    """Key Vault."""

    def cell(
        fault: str,
        kind: str,
        play: Play | None = None,
        strikes: int | None = None,
        **variables: str,
    ) -> RemoteCell:
        times = 1 if fault.endswith("once") else ALWAYS
        return RemoteCell("vault", fault, kind, play, times, strikes, variables=dict(variables))

    yield cell("refused", "vault.refused", KEY_VAULT_URL="https://localhost:1")
    yield cell("unknown host", "vault.dns", KEY_VAULT_URL="https://kv.invalid")
    yield cell("drops the connection", "vault.proxy", secret(drop=True))
    yield cell("cuts its answer", "vault.reset", secret(cut_body=True))
    yield cell("silent", "vault.deadline", secret(silent=True), REMOTE_ENTRY_DEADLINE="3")
    yield cell("slow", WELL, secret(delay=0.5))
    yield cell("401", "vault.token-rejected", secret(status=401))
    yield cell("expired token", "vault.token-rejected", entra(token=TokenFault(seconds=-60)))
    yield cell("foreign token", "vault.token-rejected", entra(token=TokenFault(tenant=ELSEWHERE)))
    yield cell("403, no role", "vault.rbac", secret(problem="ForbiddenByRbac"), 1)
    yield cell("403, no access policy", "vault.access-policy", secret(problem="AccessDenied"), 1)
    yield cell("403, firewall", "vault.firewall", secret(problem="ForbiddenByFirewall"), 1)
    yield cell(
        "403, no public access", "vault.firewall", secret(problem="ForbiddenByConnection"), 1
    )
    yield cell("403, disabled", "vault.disabled", secret(problem="SecretDisabled"), 1)
    yield cell("404", "vault.missing", secret(problem="SecretNotFound"), 1)
    soon, late = {"Retry-After": "1"}, {"Retry-After": "600"}
    yield cell("429, once", WELL, secret(status=429, headers=soon, times=1))
    yield cell(
        "429, wait long",
        "vault.throttled",
        secret(status=429, headers=late),
        1,
        REMOTE_ENTRY_DEADLINE="8",
    )
    yield cell("429", "vault.throttled", secret(status=429), 4)
    yield cell("500", "vault.unavailable", secret(status=500), 4)
    yield cell("503", "vault.unavailable", secret(status=503), 4)
    yield cell("503, once", WELL, secret(status=503, times=1))
    yield cell("expired secret", WELL, AZURE_SECRET_3="expired")


def login() -> Iterator[RemoteCell]:
    """The SQL Server, up to and with the login."""

    def cell(
        fault: str,
        kind: str,
        play: Play | None = None,
        strikes: int | None = None,
        **variables: str | None,
    ) -> RemoteCell:
        impatient = {"REMOTE_ENTRY_SQL_DEADLINE": "2", **variables}
        return RemoteCell("SQL login", fault, kind, play, ALWAYS, strikes, variables=impatient)

    yield cell("refused", "sql.refused", SQL_SERVER="localhost,1")
    yield cell("unknown host", "sql.dns", SQL_SERVER="flights.invalid")
    yield cell("hangs up", "sql.reset", sql("connect", drop=True))
    yield cell("silent at once", "sql.timeout", sql("tls", silent=True))
    yield cell("not trusted", "sql.tls", sql("tls", certificate="untrusted"))
    yield cell("another host's name", "sql.tls", sql("tls", certificate="other-host"))
    yield cell("expired certificate", "sql.tls", sql("tls", certificate="expired"))
    yield cell("cannot encrypt", "sql.tls", sql("tls", unencrypted=True))
    yield cell("drops it", "sql.connection-lost", sql("login", drop=True))
    yield cell("silent", "sql.login-timeout", sql("login", silent=True))
    yield cell("slow", WELL, sql("login", delay=0.5))
    yield cell("wrong password", "sql.login-failed", sql("login", error=18456), 1)
    # Azure's password is right, the secret that the run takes for it is not: no rule, real logins.
    yield cell("another password", "sql.login-failed", AZURE_SECRET_2="another")
    yield cell("locked", "sql.login-locked", sql("login", error=18486), 1)
    yield cell("expired password", "sql.password-expired", sql("login", error=18487), 1)
    yield cell("no such database", "sql.database-refused", sql("login", error=4060), 1)
    yield cell("firewall", "sql.firewall", sql("login", error=40615), 1)
    yield cell(
        *("expired token", "sql.login-failed", entra(token=TokenFault(seconds=-60))),
        SQL_AUTH="service-principal",
        AZURE_SECRET_1=None,
        AZURE_SECRET_2=None,
    )
    for number in TRANSIENT_LOGIN_ERRORS:
        yield cell(str(number), "sql.unavailable", sql("login", error=number), 1)
    paused = sql("login", error=40613, times=1)
    yield RemoteCell("SQL login", "40613, once", WELL, paused, times=1, within=20)


def script() -> Iterator[RemoteCell]:
    """A query, before its first row and between its rows."""
    passing = {
        40197: "sql.unavailable",
        40501: "sql.unavailable",
        10928: "sql.unavailable",
        40613: "sql.unavailable",
        8645: "sql.unavailable",
        1205: "sql.deadlock",
        1222: "sql.lock-timeout",
        3960: "sql.snapshot-conflict",
    }
    lasting = {229: "sql.permission-denied", 208: "sql.no-such-table"}
    for service, at in (("SQL query", "query"), ("mid-stream", "rows")):

        def cell(
            fault: str, kind: str, play: Play, service: str = service, **variables: str
        ) -> RemoteCell:
            impatient = {"REMOTE_ENTRY_SQL_DEADLINE": "2", **variables}
            return RemoteCell(service, fault, kind, play, program="read", variables=dict(impatient))

        for number, kind in passing.items():
            yield cell(str(number), kind, sql(at, error=number))
        yield cell("drops it", "sql.connection-lost", sql(at, drop=True))
        yield RemoteCell(
            service, "slow", WELL, sql(at, delay=0.3, times=3), times=3, program="read"
        )
        yield RemoteCell(
            *(service, "1205, once", WELL, sql(at, error=1205, times=1)),
            times=1,
            within=20,
            program="read",
        )
    for number, kind in lasting.items():
        yield RemoteCell("SQL query", str(number), kind, sql("query", error=number), program="read")
    limit = {"REMOTE_ENTRY_SQL_QUERY_SECONDS": "2"}
    yield RemoteCell(
        *("SQL query", "silent", "sql.query-timeout", sql("query", silent=True)),
        program="read",
        variables=dict(limit),
    )


CELLS = (*authority(), *vault(), *login(), *script())
