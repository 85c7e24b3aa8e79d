"""Role patterns, as Resource Manager lists them."""

import pytest

from submitter.backends.azureml_core.permissions import Permission
from submitter.doctor.way_in import SUBMIT


@pytest.mark.parametrize(
    ("actions", "not_actions", "allowed"),
    [
        (["*"], [], True),
        (["microsoft.machinelearningservices/workspaces/*/ACTION"], [], True),
        (["*"], ["Microsoft.MachineLearningServices/workspaces/experiments/*"], False),
        (["*/read"], [], False),
        ([], [], False),
    ],
)
def test_an_action_is_compared_as_azure_does(
    actions: list[str], not_actions: list[str], *, allowed: bool
) -> None:
    """Without regard to case, and less what is taken out again."""
    assert Permission(actions, not_actions).allows(SUBMIT) is allowed
