"""Which fault rules hit which requests."""

import pytest

from submitter.emulator.faults import Faults


@pytest.mark.parametrize(
    ("service", "hit"),
    [
        ("azureml", True),
        ("azureml.runs", True),
        (None, True),
        ("azureml.run", False),
        ("keyvault", False),
    ],
)
def test_a_service_stands_for_its_parts(service: str | None, hit: bool) -> None:  # noqa: FBT001 - a parameter
    """`azureml` hits every Azure ML service, `azureml.runs` only one."""
    faults = Faults()
    faults.add(service)
    assert (faults.take("azureml.runs", "GET", "/x") is not None) is hit


def test_a_rule_hits_as_often_as_it_says() -> None:
    """`times` counts down, and the next rule gets its turn."""
    faults = Faults()
    first = faults.add(match="GET .*/secrets/a$", status=503, times=2)
    second = faults.add(match="GET", status=500, times=None)
    hits = [faults.take("keyvault", "GET", "/secrets/a") for _ in range(4)]
    assert hits == [first, first, second, second]
    assert (first.remaining, second.remaining) == (0, None)


def test_the_method_is_part_of_what_is_matched() -> None:
    """A rule for reads lets writes through."""
    faults = Faults()
    faults.add(match="^GET")
    assert faults.take("keyvault", "PUT", "/secrets/GET") is None


def test_cleared_rules_are_gone() -> None:
    """`clear` forgets everything."""
    faults = Faults()
    faults.add(times=None)
    faults.clear()
    assert faults.take("arm", "GET", "/") is None
