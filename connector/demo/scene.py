"""The parts of an example: a diagram, and one or more process instances with their variables and messages.

These are values only: :mod:`connector.demo.examples` is the table of examples, and
:mod:`connector.demo.performance` plays them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from connector.testing.behaviour import Rule

_PACKAGED = files(__package__) / "diagrams"
_CHECKED_OUT = Path(__file__).parents[2] / "bpmn-examples"

Variables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Publication:
    """A message for a waiting process instance, as a portal or a colleague would send it.

    Attributes:
        correlation_key: The value by which the engine finds the instance.
        after: The number of the instance's jobs that are completed before it is published.
    """

    name: str
    correlation_key: str
    variables: Variables
    after: int


@dataclass(frozen=True, slots=True)
class Scene:
    """One process instance, from its start to its end.

    Attributes:
        about: Its difference from other scenes, printed after the name of the process.
        variables: Its variables at the start, in addition to ``mailServer``.
        mails: The envelope recipients of each expected mail, in any order.
        ending: The value of its variable ``outcome`` at the end, if there are several ends.
        rules: How the inbox's server misbehaves during the scene.
        messages: The messages that are published to it, in order.
        shown: The variables to show at the end.
        letters: Mails that wait in the mailbox at the start.
        filed: The folder of the mailbox in which these are at the end.
    """

    about: str
    variables: Variables
    mails: tuple[tuple[str, ...], ...]
    ending: str | None = None
    rules: tuple[Rule, ...] = ()
    messages: tuple[Publication, ...] = ()
    shown: tuple[str, ...] = ("mail",)
    letters: tuple[bytes, ...] = field(default=(), repr=False)
    filed: str = "INBOX"


@dataclass(frozen=True, slots=True)
class Example:
    """A diagram of ``bpmn-examples`` and how it is played.

    Attributes:
        name: The diagram's file name without its extension.
        title: Its subject, in one line.
        scenes: Creates the scenes of one run. Its argument is unique to the run, for the keys by which the
            engine and the ledger distinguish instances and mails.
        account: The account by which its tasks read a mailbox; None where it has none.
    """

    name: str
    title: str
    scenes: Callable[[str], tuple[Scene, ...]] = field(repr=False)
    account: str | None = None

    @property
    def file(self) -> str:
        """Return the diagram's file name."""
        return f"{self.name}.bpmn"

    @property
    def process_id(self) -> str:
        """Return the BPMN process id in the diagram."""
        return f"smtp-connector-{self.name}"

    @property
    def diagram(self) -> Traversable:
        """Return the diagram, which is in this package in a wheel and in ``bpmn-examples`` in a checkout."""
        return (_PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT) / self.file
