"""What the users of such tools suffer from, ranked, and a test that answers each.

The list is the product's measure, with the reports that it comes from.
"""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAINS = {
    1: "secrets in plain view in variables, arguments and tags: ray#39502, clearml-agent#67",
    2: "masking that misses paths: airflow#38144, airflow#63921, skypilot#10741",
    3: "a git token in the run's properties: azure-sdk-for-python#33153, mlflow#5784",
    4: "run.get_secret missing or broken offline: azure-sdk-for-python#25925",
    5: "a managed identity wants DEFAULT_IDENTITY_CLIENT_ID: azure-sdk-for-python#30427",
    6: "the ODBC driver is missing in the image: MLOpsPython#319, pyodbc#717",
    7: "a snapshot too large or slow, ignore surprises: azure-docs#26076, hi-ml#899",
    8: "slow or needless image builds: MLOpsPython#168, MLOpsPython#385",
    9: "a log stream that is silent or late: azure-cli#27363, azureml-examples#2190",
    10: "dependency conflicts of azureml-core: azure-sdk-for-python#26477",
    11: "an interactive login asked for in CI: azure-sdk-for-python#28327",
    12: "features dropped between v1 and v2: azureml-examples#2071",
    13: "Key Vault 403s that look alike: AzureTRE#3789",
    14: "a paused Azure SQL database: mssql-django#114, dbt-sqlserver#162",
    15: "passwords with ; } @ %: pyodbc#752, ibis#10437, connector-x#627",
    16: "driver 18 encrypts, 'fixed' with TrustServerCertificate: dbt-sqlserver#219",
    17: "nothing can be tried locally: MLOpsPython#160, MachineLearningNotebooks#634",
    18: "an expired secret found in mid-run: azure-docs#48669",
    19: "schedules that fire twice or are skipped: MachineLearningNotebooks#1369",
    20: "noise and memory: airflow#33255, pandas#12265",
}


@pytest.mark.parametrize("number", PAINS, ids=PAINS.get)
def test_a_test_is_named_after_the_pain(number: int) -> None:
    """So that whoever breaks the answer learns whom it hurts."""
    name = re.compile(rf"def test_pain_{number}_\w+\(")
    assert any(name.search(path.read_text(encoding="utf-8")) for path in TESTS.rglob("test_*.py"))
