"""Images of environments: the emulator builds none, but keeps account of which Azure would have.

An image belongs to a content: environments with the same content share it, whatever their names.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from typing import Any

_MADE_OF = ("python", "docker")
BUILD_LOG = "azureml-logs/20_image_build_log.txt"


class Images:
    """The images of the workspace's registry."""

    def __init__(self) -> None:
        self._built: set[str] = set()
        self._broken: set[str] = set()
        self._lock = threading.Lock()

    def break_builds(self, environment: str) -> None:
        """Let every build of an environment of this name fail from now on; forget its images."""
        with self._lock:
            self._broken.add(environment)

    def build(self, environment: str, content: Mapping[str, Any]) -> bool:
        """Build an environment's image, unless it is there.

        Args:
            environment: Its name.
            content: What it is made of.

        Returns:
            Whether the image is there now.
        """
        with self._lock:
            if environment in self._broken:
                return False
            self._built.add(_name(content))
            return True

    def is_built(self, environment: str, content: Mapping[str, Any]) -> bool:
        """Say whether an environment's image is in the registry."""
        with self._lock:
            return environment not in self._broken and _name(content) in self._built


def describe(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the image's address; the SDK wants a registry that is a dictionary."""
    registry = {"address": "emulator.azurecr.io", "username": None, "password": None}
    return {"name": f"azureml/azureml_{_name(content)}", "registry": registry}


def _name(content: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits that are equal for equal contents."""
    parts = {key: content.get(key) for key in _MADE_OF}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
