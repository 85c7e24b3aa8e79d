"""Each way in which secrets leak elsewhere: planted text is found on it, and no secret is.

One journey with canary secrets feeds all tests: a submitted run that writes down what its process
shows, a command that prints its secrets in every encoding, and errors without a supervisor.
"""

import re

import pytest
from support.canaries import PLANTED, leaks_in
from support.leak_journey import FAILURES, INSIDE, Journey, go_all_ways
from support.once import once
from support.value_encodings import ENCODINGS, encodings_of

IN_ALL_WAYS = [*ENCODINGS, "in base64"]
BEARER_TOKEN = re.compile(rb"eyJ[\w-]{10,}\.[\w-]{10,}")

PRINTED = (
    "standard output",
    "standard error",
    "progress bar",
    "single bytes",
    "large blocks",
    "child process",
    "logging",
    "logged traceback",
    "thread's traceback",
    "warning",
)
LEFT_BEHIND = {  # a place → what proves that it was looked at
    "log, receipt and files of an extract": "sql-password",
    "environ of a supervisor that got the client secret in clear": PLANTED,
    "log of the run": PLANTED,
    "downloaded files": PLANTED,
    "output of an audit": "looked_at",
    "log of an extract that failed": "nowhere",
    "state of a schedule": '{"handled": "20',
    "refusal of a file that holds a secret": "leak.py:1: the value of DB_PWD",
    "registered environments": "ubuntu",
    "definition of the run": PLANTED,
    "record of the run": PLANTED,
    "addresses of requests": "kv-flights",
    "output of commands": PLANTED,
    "temporary files": PLANTED,
    "files of the project": PLANTED,
    "files that the emulator keeps": PLANTED,
    "failed supervisor's traceback": "Traceback",
    "uncaught error's traceback": "Traceback",
    "refusals of the job file": "job.yml",
    "log at DEBUG without a supervisor": "kv-flights.vault.azure.net",
}
VIEWS = {  # how an error is looked at → what proves it
    "text": "Error(",
    "locals": "errors.py",
    "reached": "",
    "log": "DEBUG:",
}
RUN_TOKEN = {  # where Azure ML puts its own token, for azureml-core to find it
    "variables of the command",
    "environ of the supervisor",
    "environ of the command",
    "environ of a child",
}


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """Go all ways once."""
    return once(tmp_path_factory, "leaks", lambda: go_all_ways(tmp_path_factory.mktemp("leaks")))


@pytest.mark.parametrize("path", PRINTED)
def test_pain_2_a_printed_secret_is_masked_in_every_encoding(journey: Journey, path: str) -> None:
    """What the command writes is shown in all ways, but not its secrets in any."""
    content = journey.printed[path]
    assert encodings_of(PLANTED, content) == IN_ALL_WAYS
    assert leaks_in(content) == {}


@pytest.mark.parametrize(
    ("path", "control"),
    [
        ("environment of a child", PLANTED),
        ("faulthandler", "printing.py"),
    ],
)
def test_other_output_shows_no_secret(journey: Journey, path: str, control: str) -> None:
    """What a program prints by itself passes the mask too."""
    assert control.encode() in journey.printed[path]
    assert leaks_in(journey.printed[path]) == {}


def test_uncaught_error_of_the_command_shows_no_secret(journey: Journey) -> None:
    """Its traceback comes last; nothing else of the whole output shows one either."""
    assert encodings_of(PLANTED, journey.output[journey.output.rindex(b"Traceback") :]) != []
    assert leaks_in(journey.output) == {}


@pytest.mark.parametrize("path", INSIDE)
def test_process_of_the_run_shows_no_secret(journey: Journey, path: str) -> None:
    """Nothing is masked here: what a script can see of itself without asking for a secret."""
    assert encodings_of(INSIDE[path], journey.places[path]) != []
    assert leaks_in(journey.places[path]) == {}


@pytest.mark.parametrize("path", LEFT_BEHIND)
def test_nothing_left_behind_shows_a_secret(journey: Journey, path: str) -> None:
    """Not in the service, not on the laptop, not in what is printed on the way."""
    assert encodings_of(LEFT_BEHIND[path], journey.places[path]) != []
    assert leaks_in(journey.places[path]) == {}


def test_sql_server_learns_the_login_alone(journey: Journey) -> None:
    """It knows who signed in, but nothing that we sent shows with what."""
    assert list(leaks_in(journey.places["events of the SQL Server"])) == ["user"]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("failure", FAILURES)
def test_error_shows_no_secret(journey: Journey, failure: str, view: str) -> None:
    """Not in its text, its traceback with locals, what it refers to, or a log at DEBUG."""
    content = journey.failures[failure][view].encode()
    assert (VIEWS[view] or FAILURES[failure][2]).encode() in content
    assert leaks_in(content) == {}


@pytest.mark.parametrize("failure", FAILURES)
def test_error_brings_no_error_of_an_sdk_along(journey: Journey, failure: str) -> None:
    """Such a one leads to its request, its headers and, through its frames, to the credential."""
    assert journey.failures[failure]["origin"] == "[None, None]"


def test_no_place_shows_a_bearer_token(journey: Journey) -> None:
    """The SDKs' errors carry one with their requests, and a log with bodies would."""
    shown = {"output": journey.output, **journey.places}
    for failure, views in journey.failures.items():
        shown |= {f"{failure}, {view}": text.encode() for view, text in views.items()}
    found = {name for name, content in shown.items() if BEARER_TOKEN.search(content)}
    assert "environ of the command" in found  # the search finds what is there
    assert found <= RUN_TOKEN
