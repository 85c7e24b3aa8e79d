"""The nodes of a compute target: whoever came first gets its nodes first, and all of them at once.

All at once, because two jobs that each hold half of what they need would wait for each other for
ever; in order, because a large job would never see enough free nodes if small ones went past it.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class NodeCounts:
    """What the nodes of a target do at one moment.

    Attributes:
        preparing: Nodes on which a job is laid out.
        running: Nodes on which a job runs.
        wanted: Nodes that the first job of the queue waits for; 0 if nobody waits.
    """

    preparing: int
    running: int
    wanted: int


class Place:
    """A place in the queue of a target, and then on its nodes.

    Args:
        nodes: How many it asks for.
    """

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.is_running = False


class NodePool:
    """The nodes of one target.

    Args:
        capacity: How many there are.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[Place] = deque()
        self._taken: list[Place] = []
        self._changed = threading.Condition()

    def resize(self, capacity: int) -> None:
        """Change how many nodes there are; a node that is too many goes when its job has ended."""
        with self._changed:
            self._capacity = capacity
            self._changed.notify_all()

    def queue(self, nodes: int, *, first: bool = False) -> Place:
        """Get in line for so many nodes, at its end or before all others."""
        place = Place(nodes)
        with self._changed:
            if first:
                self._waiting.appendleft(place)
            else:
                self._waiting.append(place)
        return place

    def take(self, place: Place, gives_up: Callable[[], bool]) -> bool:
        """Wait for the nodes of a place.

        Args:
            place: From `queue`.
            gives_up: Says whether they are not wanted any more; see `look_again`.

        Returns:
            Whether the place has its nodes now.
        """
        with self._changed:
            self._changed.wait_for(lambda: gives_up() or self._is_next(place))
            self._waiting.remove(place)
            given_up = gives_up()
            if not given_up:
                self._taken.append(place)
            self._changed.notify_all()
            return not given_up

    def start(self, place: Place) -> None:
        """Note that the job is laid out, and runs."""
        with self._changed:
            place.is_running = True

    def release(self, place: Place) -> None:
        """Give the nodes of a place back."""
        with self._changed:
            self._taken.remove(place)
            self._changed.notify_all()

    def look_again(self) -> None:
        """Let those who wait ask whether they give up."""
        with self._changed:
            self._changed.notify_all()

    def counts(self) -> NodeCounts:
        """Return what the nodes do now."""
        with self._changed:
            running = sum(place.nodes for place in self._taken if place.is_running)
            preparing = sum(place.nodes for place in self._taken) - running
            wanted = self._waiting[0].nodes if self._waiting else 0
            return NodeCounts(preparing, running, wanted)

    def _is_next(self, place: Place) -> bool:
        free = self._capacity - sum(taken.nodes for taken in self._taken)
        return self._waiting[0] is place and place.nodes <= free
