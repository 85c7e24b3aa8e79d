"""Run filters, as azureml-core writes them."""

import pytest

from submitter.emulator.azureml.odata import FilterError, parse_filter

RUN = {
    "runId": "exp_1",
    "status": "Completed",
    "parentRunId": None,
    "createdUtc": "2026-01-02T03:04:05.1234560+00:00",
    "runTypeV2": {"orchestrator": "Execution", "traits": []},
    "tags": {"stage": "done", "marked": None, "odd": 'say "hi" (now)'},
    "properties": {"azureml.runsource": "azureml.scriptrun", "rows": "10"},
}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", True),
        ('(Tags/stage eq "done")', True),
        ('(Tags/stage eq "other")', False),
        ("(Tags/stage eq done)", True),
        ("(Tags/stage ne null or Tags/stage eq null)", True),
        ("(Tags/marked ne null or Tags/marked eq null)", True),
        ("(Tags/absent ne null or Tags/absent eq null)", False),
        ('(Tags/absent ne "x")', False),
        (r'(Tags/odd eq "say \"hi\" (now)")', True),
        ('((Tags/stage eq "done") and (Properties/rows eq "11"))', False),
        ("RunId eq exp_1 or RunId eq exp_2", True),
        ("(ParentRunId eq null)", True),
        ("(ParentRunId ne null)", False),
        ("(RunTypeV2/Orchestrator eq Execution)", True),
        (
            "(RunType eq azureml.scriptrun or Properties/azureml.runsource eq azureml.scriptrun)",
            True,
        ),
        ("(CreatedUtc ge 2026-01-02 03:04:05)", True),
        ("(CreatedUtc ge 2026-01-02T03:04:06Z)", False),
        ("CreatedUtc gt 2026-01-02 03:04:05.123456+00:00", False),
        ("Status eq Failed or Status eq Completed and RunId eq nobody", False),
        ("(Status eq Failed or Status eq Completed) and RunId eq exp_1", True),
    ],
)
def test_filters_keep_the_runs_they_describe(text: str, kept: bool) -> None:  # noqa: FBT001 - a parameter
    """Comparisons, connectives, null, dates and absent tags mean what the SDK means by them."""
    assert parse_filter(text)(RUN) is kept


@pytest.mark.parametrize(
    "text",
    ["(Status eq Failed", "Status eq", "Status like Failed", "Status eq Failed)", 'Tags/a eq "x'],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    """A filter that is not understood keeps nothing and drops nothing: it fails."""
    with pytest.raises(FilterError):
        parse_filter(text)
