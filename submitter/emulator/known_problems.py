"""How services refuse and fail, in their own words: what a fault rule can ask for by name.

Sources: "Azure Key Vault REST API error codes", "Microsoft Entra authentication and authorization
error codes", "Blob service error codes" with "Common REST API error codes" of Azure Storage, and
reports of users that quote whole answers.
"""

from collections.abc import Mapping

from submitter.emulator.service import Problem

_CALLER = "Caller: appid=fa170000-0000-0000-0000-000000000000;iss=https://sts.windows.net/tenant/"


def _forbidden(inner_code: str | None, message: str) -> Problem:
    return Problem(403, "Forbidden", message, inner_code=inner_code)


_KEY_VAULT = {
    "Unauthorized": Problem(401, "Unauthorized", "AKV10000: Request is missing a Bearer token."),
    "Forbidden": _forbidden(None, "Operation is not allowed by vault policy."),
    "ForbiddenByRbac": _forbidden(
        "ForbiddenByRbac",
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny "
        "assignments or role definitions were changed recently, please observe propagation time."
        f"\r\n{_CALLER}\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\n"
        "Assignment: (not found)\r\nDecisionReason: 'DeniedWithNoValidRBAC'",
    ),
    "AccessDenied": _forbidden(
        "AccessDenied",
        "The user, group or application does not have secrets get permission on key vault. For "
        f"help resolving this issue, see the documentation.\r\n{_CALLER}",
    ),
    "ForbiddenByFirewall": _forbidden(
        "ForbiddenByFirewall",
        "Client address is not authorized and caller is not a trusted service.\r\nClient address: "
        f"192.0.2.7\r\n{_CALLER}",
    ),
    "ForbiddenByConnection": _forbidden(
        "ForbiddenByConnection",
        "Public network access is disabled and request is not from a trusted service nor via an "
        f"approved private link.\r\n{_CALLER}",
    ),
    "SecretDisabled": _forbidden(
        "SecretDisabled", "Operation get is not allowed on a disabled secret."
    ),
    "SecretNotFound": Problem(
        404,
        "SecretNotFound",
        "A secret with this (name/id) was not found in this key vault. If you recently deleted "
        "this secret you may be able to recover it using the correct recovery command.",
    ),
    "Throttled": Problem(
        429,
        "Throttled",
        "Request was not processed because too many requests were received. Reason: VaultRequest"
        "TypeLimitReached",
    ),
    "InternalServerError": Problem(500, "InternalServerError", "An unexpected error occurred."),
    "ServiceUnavailable": Problem(
        503, "ServiceUnavailable", "The service is temporarily unavailable."
    ),
}

_ENTRA = {
    f"AADSTS{number}": Problem(status, code, f"AADSTS{number}: {message}")
    for number, status, code, message in (
        (7000215, 401, "invalid_client", "Invalid client secret provided."),
        (7000222, 401, "invalid_client", "The provided client secret keys are expired."),
        (700027, 401, "invalid_client", "Client assertion contains an invalid signature."),
        (
            1000502,
            401,
            "invalid_client",
            "The provided certificate is not within its specified validity window.",
        ),
        (700016, 400, "unauthorized_client", "Application was not found in the directory."),
        (7000112, 401, "unauthorized_client", "Application is disabled."),
        (90002, 400, "invalid_tenant", "Tenant not found."),
        (
            53003,
            400,
            "invalid_grant",
            "Access has been blocked by Conditional Access policies.",
        ),
        (500011, 400, "invalid_resource", "The resource principal was not found in the tenant."),
        (90055, 429, "temporarily_unavailable", "Tenant is throttled: too many requests."),
        (50000, 500, "server_error", "There was an error issuing a token."),
        (
            90033,
            503,
            "temporarily_unavailable",
            "A transient error has occurred. Please try again.",
        ),
    )
}

_STORAGE = {
    code: Problem(status, code, message)
    for status, code, message in (
        (
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission.",
        ),
        (403, "AuthorizationFailure", "This request is not authorized to perform this operation."),
        (403, "AccountIsDisabled", "The specified account is disabled."),
        (404, "ContainerNotFound", "The specified container does not exist."),
        (409, "BlobAlreadyExists", "The specified blob already exists."),
        (409, "LeaseAlreadyPresent", "There is already a lease present."),
        (409, "ContainerBeingDeleted", "The specified container is being deleted."),
        (
            412,
            "ConditionNotMet",
            "The condition specified using HTTP conditional header(s) is not met.",
        ),
        (
            413,
            "RequestBodyTooLarge",
            "The request body is too large and exceeds the maximum permissible limit.",
        ),
        (500, "InternalError", "Server encountered an internal error. Please try again."),
        (500, "OperationTimedOut", "Operation could not be completed within the permitted time."),
        (503, "ServerBusy", "The server is busy."),
    )
}

_BY_SERVICE: Mapping[str, Mapping[str, Problem]] = {
    "keyvault": _KEY_VAULT,
    "entra": _ENTRA,
    "storage": _STORAGE,
}


def named(service: str | None, name: str) -> Problem:
    """Return a service's problem of a name.

    Raises:
        ValueError: The service has none of that name.
    """
    known = _BY_SERVICE.get(service or "", {})
    if name not in known:
        raise ValueError(
            f"the emulator knows no problem '{name}' of {service or 'all services'}; "
            f"it knows {', '.join(known) or 'none'}"
        )
    return known[name]


def with_status(service: str | None, status: int) -> Problem:
    """Return how a service says a status: the first of its problems, or a made-up one."""
    for problem in _BY_SERVICE.get(service or "", {}).values():
        if problem.status == status:
            return problem
    return Problem(status, "InjectedFault", "The emulator was told to fail this request.")
