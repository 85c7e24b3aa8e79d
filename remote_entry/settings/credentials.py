"""Which variables hold a credential, told by their names."""

import re

CREDENTIAL_VARIABLES = frozenset(
    {
        "AZURE_CLIENT_CERTIFICATE_PASSWORD",
        "AZURE_CLIENT_SECRET",
        "AZURE_PASSWORD",
        "AZUREML_SERVICE_PRINCIPAL_PASSWORD",
        "SQL_CONNECTION_STRING",
        "SQL_PASSWORD",
    }
)
"""Variables whose value is a credential: never in clear in a job, never passed to the command."""

_CREDENTIAL_NAME = re.compile(
    r"(PASSWORD|PASSWD|PASSPHRASE|SECRET)$|"
    r"(^|_)(SECRET|PASSWORD|PASSWD|PWD|PASSPHRASE|TOKEN|SAS|CREDENTIALS?|CONNECTION_?STRING|"
    r"(PRIVATE|API|ACCESS|ACCOUNT|STORAGE|SHARED|MASTER|SIGNING|ENCRYPTION)_?KEY)(_|$)",
    re.IGNORECASE,
)


def looks_like_credential(variable: str) -> bool:
    """Tell whether a variable of this name would hold a credential.

    Args:
        variable: A name that holds a value, not one like ``AZURE_SECRET_1`` that names a secret.
    """
    return variable in CREDENTIAL_VARIABLES or bool(_CREDENTIAL_NAME.search(variable))
