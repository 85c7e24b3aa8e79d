"""The tiny run: what it is made of, and how its answer is found in a log."""

import json

import pytest

from submitter import Job
from submitter.doctor.remote import _document_in, _tiny

DOCUMENT = {"exit_code": 4, "hops": [{"name": "identity"}]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ('warning: {not json} {"a": 1}\n', "\nremote_entry: goodbye {"),
        ('{"exit_code": 0', ""),
    ],
)
def test_the_document_is_found_among_other_lines(before: str, after: str) -> None:
    """Whatever else somebody printed."""
    assert _document_in(before + json.dumps(DOCUMENT, indent=2) + after) == DOCUMENT


@pytest.mark.parametrize("log", ["", "{", "{}", '{"exit_code": 4}', '{"a": ' * 5000, "{" * 5000])
def test_a_log_without_a_document_has_none(log: str) -> None:
    """Nothing is guessed."""
    assert _document_in(log) is None


def test_the_tiny_run_keeps_what_the_way_depends_on() -> None:
    """Compute, environment, variables, the container's settings; one instance, ten minutes."""
    job = Job(
        command="python train.py",
        code=".",
        name="nightly",
        compute="c",
        environment="azureml:e:1",
        environment_variables={"A": "1"},
        resources={"instance_count": 4, "docker_args": "--network host"},
        distribution={"type": "mpi"},
        limits={"timeout": 5},
    )
    tiny = _tiny(job)
    assert tiny.command == "python -m remote_entry check --json"
    assert (tiny.compute, tiny.environment) == (job.compute, job.environment)
    assert tiny.environment_variables == {"A": "1"}
    assert (tiny.resources.instance_count, tiny.resources.docker_args) == (1, "--network host")
    assert (tiny.name, tiny.code, tiny.distribution, tiny.limits.timeout) == (None, None, None, 600)
