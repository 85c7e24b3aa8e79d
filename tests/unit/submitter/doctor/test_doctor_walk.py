"""Hops that stand on each other."""

from remote_entry.hop import Hop
from submitter.doctor.walk import Finding, Walk
from submitter.errors import NotFoundError, SignInError


def fail(error: Exception) -> str:
    """Be a hop that fails."""
    raise error


def lines(hops: list[Hop]) -> list[tuple[str, str, str]]:
    """Return what a reader sees first of each hop."""
    return [(hop.name, hop.outcome.value, hop.detail) for hop in hops]


def test_what_stands_on_a_failed_hop_is_skipped_and_says_on_which() -> None:
    """However far away that is; what stands elsewhere is tried."""
    hops: list[Hop] = []
    walk = Walk(hops.append)
    assert not walk.hop("a", lambda: fail(SignInError("no")), fix="sign in")
    assert not walk.hop("b", lambda: "found", fix="", needs=("a",))
    assert not walk.hop("c", lambda: "found", fix="", needs=("d", "b"))
    assert walk.hop("d", lambda: "found", fix="")
    assert lines(hops) == [
        ("a", "failed", "no"),
        ("b", "skipped", "because of a"),
        ("c", "skipped", "because of a"),
        ("d", "ok", "found"),
    ]
    assert (hops[0].kind, hops[0].hint) == ("sign-in", "sign in")


def test_the_first_failure_gives_the_exit_code() -> None:
    """A warning gives none, and blocks nothing."""
    walk = Walk(lambda _: None)
    assert walk.hop(
        "a", lambda: fail(Finding("hm", kind="a.b", fix="wait", exit_code=0)), fix="other"
    )
    assert walk.exit_code == 0
    walk.hop("b", lambda: fail(NotFoundError("none")), fix="make one", needs=("a",))
    walk.hop("c", lambda: fail(SignInError("no")), fix="sign in")
    assert walk.exit_code == 4
    [warning, *_] = walk.hops
    assert (warning.outcome.value, warning.kind, warning.hint) == ("warning", "a.b", "wait")
