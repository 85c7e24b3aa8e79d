"""The model registry: versions, filters, what may change."""

from collections.abc import Callable

import pytest
from support.service_client import ServiceClient

from submitter.emulator.azureml.access import Access
from submitter.emulator.azureml.models import Models
from submitter.emulator.azureml.registry import ModelFilter, ModelRegistry
from submitter.emulator.service import Problem


@pytest.fixture
def registry() -> ModelRegistry:
    """Make a registry with two versions of one model."""
    made = ModelRegistry()
    made.register("m", {"kvTags": {"a": "1"}, "properties": {"p": "q"}, "runId": "r"}, "me")
    made.register("m", {"kvTags": {"a": "2"}}, "me")
    return made


@pytest.fixture
def client(
    registry: ModelRegistry, access: Access, client_of: Callable[..., ServiceClient]
) -> ServiceClient:
    """Make a client of model management."""
    base = f"/modelmanagement/v1.0{access.workspace.resource_id}"
    return client_of(Models(access, registry).service(), base)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ModelFilter(), ["m:2", "m:1"]),
        (ModelFilter(latest_only=True), ["m:2"]),
        (ModelFilter(tags={"a": "1"}), ["m:1"]),
        (ModelFilter(tags={"a": "1"}, latest_only=True), []),
        (ModelFilter(tags={"a": None}), ["m:2", "m:1"]),
        (ModelFilter(properties={"p": "other"}), []),
        (ModelFilter(run_id="r"), ["m:1"]),
        (ModelFilter(name="other"), []),
    ],
)
def test_a_filter_keeps_what_was_asked_for(
    registry: ModelRegistry, wanted: ModelFilter, expected: list[str]
) -> None:
    """The newest version comes first."""
    assert [model.model_id for model in registry.models(wanted)] == expected


def test_a_version_number_is_never_given_twice(registry: ModelRegistry) -> None:
    """Not even after the latest version was deleted."""
    registry.delete("m:2")
    assert registry.register("m", {}, None).version == 3


def test_properties_are_added_to_and_never_changed(registry: ModelRegistry) -> None:
    """Tags are replaced as a whole."""
    changed = registry.change("m:1", {"properties": {"more": "x"}, "kvTags": {}})
    assert (changed.properties, changed.tags) == ({"p": "q", "more": "x"}, {})
    with pytest.raises(Problem, match="immutable"):
        registry.change("m:1", {"properties": {"p": "other"}})


def test_a_model_needs_an_asset_that_exists(client: ServiceClient) -> None:
    """A model of files that were never uploaded is refused."""
    with pytest.raises(Problem, match="Asset with id none"):
        client.ask("POST", "/models", {"name": "n", "url": "aml://asset/none"})
    asset = client.ask("POST", "/assets", {"name": "n", "artifacts": [{"prefix": "a/b/c"}]})
    model = client.ask("POST", "/models", {"name": "n", "url": f"aml://asset/{asset['id']}"})
    assert (model["id"], model["createdBy"]) == ("n:1", {"userObjectId": "me"})
    assert client.ask("GET", f"/assets/{asset['id']}")["artifacts"] == [{"prefix": "a/b/c"}]


def test_the_sdks_filters_are_read(client: ServiceClient) -> None:
    """Tags come as `name=value`, or as a name alone."""
    assert len(client.ask("GET", "/models", tags="a=1")["value"]) == 1
    assert len(client.ask("GET", "/models", tags="a,b")["value"]) == 0
    assert len(client.ask("GET", "/models", latestVersionOnly="true")["value"]) == 1


def test_an_unplayed_change_is_refused(client: ServiceClient) -> None:
    """What a model cannot have here is not taken and dropped."""
    with pytest.raises(Problem, match="datasets"):
        client.ask("PATCH", "/models/m:1", [{"op": "add", "path": "/datasets", "value": []}])
    with pytest.raises(Problem, match="datasets"):
        client.ask("POST", "/models", {"name": "n", "datasets": [{"id": "x"}]})


def test_an_error_holds_its_status_in_its_body(client: ServiceClient) -> None:
    """The SDK tells a missing model by it."""
    with pytest.raises(Problem) as caught:
        client.ask("GET", "/models/none:1")
    assert b'"statusCode":404' in client.service.render(caught.value).body
