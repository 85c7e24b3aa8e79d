"""Metrics: batches in, values by name out."""

from collections.abc import Callable

import pytest
from support.service_client import ServiceClient

from submitter.emulator.azureml.access import Access
from submitter.emulator.azureml.metrics import Metrics
from submitter.emulator.service import Problem


def batch(name: str, *values: float) -> dict[str, object]:
    """Make a batch of values of one metric."""
    return {
        "name": name,
        "columns": {name: "Double"},
        "value": [{"data": {name: v}} for v in values],
    }


@pytest.fixture
def metrics(access: Access) -> Metrics:
    """Make an empty set of metrics."""
    return Metrics(access)


@pytest.fixture
def client(
    metrics: Metrics, access: Access, client_of: Callable[..., ServiceClient]
) -> ServiceClient:
    """Make a client of the metrics of one run."""
    run = f"/metric/v2.0{access.workspace.resource_id}/runs/run_1"
    made = client_of(metrics.service(), run)
    made.ask("POST", "/batch", {"values": [batch("loss", 1, 0.5), batch("rows", 12)]})
    made.ask("POST", "/batch", {"values": [batch("loss", 0.25)]})
    return made


def test_batches_of_a_metric_are_put_together(client: ServiceClient, metrics: Metrics) -> None:
    """Values keep the order in which they were logged."""
    read = client.ask("POST", "/full", {"metricName": "loss"})
    assert [value["data"]["loss"] for value in read["value"]] == [1, 0.5, 0.25]
    assert metrics.values("run_1")["rows"] == [{"rows": 12}]
    assert metrics.values("run_2") == {}


def test_each_metric_is_listed_once(client: ServiceClient) -> None:
    """A list has names and columns, no values."""
    listed = client.ask("POST", "/list", {})["value"]
    assert [entry["metricKey"]["name"] for entry in listed] == ["loss", "rows"]


def test_an_unknown_metric_is_named(client: ServiceClient) -> None:
    """The error says which metric and which run."""
    with pytest.raises(Problem, match="'none' of run run_1"):
        client.ask("POST", "/full", {"metricName": "none"})
