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
    r"(^|_)(SECRET|PASSWORD|PASSWD|PWD|PASSPHRASE|TOKEN|SAS|CREDENTIALS?|PRIVATE_?KEY|API_?KEY|"
    r"ACCESS_?KEY|ACCOUNT_?KEY|CONNECTION_?STRING)(_|$)",
    re.IGNORECASE,
)


def looks_like_credential(variable: str) -> bool:
    """Tell whether a variable of this name would hold a credential.

    Args:
        variable: A name that holds a value, not one like ``AZURE_SECRET_1`` that names a secret.
    """
    return variable in CREDENTIAL_VARIABLES or bool(_CREDENTIAL_NAME.search(variable))
