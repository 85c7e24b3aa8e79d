"""Images: built by whoever needs them first, shared by equal contents."""

from submitter.emulator.azureml.images import Images, describe


def test_an_image_is_there_once_it_was_built() -> None:
    """For every environment that is made of the same, variables aside."""
    images = Images()
    assert not images.is_built("e", {"docker": "1"})
    assert images.build("e", {"docker": "1"})
    assert images.is_built("other", {"docker": "1", "environmentVariables": {"A": "1"}})
    assert not images.is_built("e", {"docker": "2"})


def test_a_broken_environment_has_no_image() -> None:
    """Not even one that was built before."""
    images = Images()
    images.build("e", {"docker": "1"})
    images.break_builds("e")
    assert not images.build("e", {"docker": "1"})
    assert not images.is_built("e", {"docker": "1"})


def test_equal_contents_have_one_address() -> None:
    """As in the workspace's registry."""
    assert describe({"docker": "1", "name": "a"}) == describe({"docker": "1", "name": "b"})
    assert describe({"docker": "1"}) != describe({"docker": "2"})
