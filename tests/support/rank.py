"""One rank of an extract, started as a job's command is, with secrets as a supervisor hands over.

``python rank.py SPEC.yml`` with the login of a played server in two variables.
"""

import os
import sys

from remote_entry.__main__ import main
from remote_entry.secret import Secret
from remote_entry.settings.references import SecretReference
from remote_entry.supervision.handover import DESCRIPTOR_VARIABLE, Bundle, write_bundle

if __name__ == "__main__":
    secrets = (
        Secret(SecretReference("1", "sql-username"), os.environ["PLAYED_LOGIN"]),
        Secret(SecretReference("2", "sql-password"), os.environ["PLAYED_PASSWORD"]),
    )
    os.environ[DESCRIPTOR_VARIABLE] = str(write_bundle(Bundle(secrets)))
    sys.exit(main(["extract", *sys.argv[1:]]))
