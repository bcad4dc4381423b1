"""What an example is made of: a diagram, and one or more process instances with what they need.

Values only: :mod:`connector.demo.examples` is the table of them, :mod:`connector.demo.performance` plays
them.
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
    """A message for a process instance that waits for one, as a portal or a colleague would send it.

    Attributes:
        correlation_key: The value by which the engine finds the instance.
        after: How many of the instance's jobs are completed before it is published.
    """

    name: str
    correlation_key: str
    variables: Variables
    after: int


@dataclass(frozen=True, slots=True)
class Scene:
    """One process instance, from its start to its end.

    Attributes:
        about: What is special about it, to be read behind the name of the process.
        variables: What it starts with, beside ``mailServer``.
        mails: The envelope recipients of each mail that must arrive, in any order.
        ending: The value of its variable ``outcome`` at the end, where there are several ends.
        rules: How the inbox's server misbehaves meanwhile.
        messages: What is published to it, in this order.
        shown: The variables to show at the end.
    """

    about: str
    variables: Variables
    mails: tuple[tuple[str, ...], ...]
    ending: str | None = None
    rules: tuple[Rule, ...] = ()
    messages: tuple[Publication, ...] = ()
    shown: tuple[str, ...] = ("mail",)


@dataclass(frozen=True, slots=True)
class Example:
    """A diagram of ``bpmn-examples`` and how it is played.

    Attributes:
        name: The diagram's file name without its ending.
        title: What it shows, in one line.
        scenes: Makes the scenes of one showing. It is given a text that no other showing has, for the keys by
            which the engine and the ledger tell instances and mails apart.
    """

    name: str
    title: str
    scenes: Callable[[str], tuple[Scene, ...]] = field(repr=False)

    @property
    def file(self) -> str:
        """The diagram's file name."""
        return f"{self.name}.bpmn"

    @property
    def process_id(self) -> str:
        """The BPMN process id in the diagram."""
        return f"smtp-connector-{self.name}"

    @property
    def diagram(self) -> Traversable:
        """The diagram: a wheel has it in this package, a checkout where people look for examples."""
        return (_PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT) / self.file
