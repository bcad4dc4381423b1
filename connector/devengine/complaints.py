"""What is wrong with a resource: every complaint at once, in the form in which a deployment is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from connector import feel
from connector.devengine.model import Expression


@dataclass(slots=True)
class Complaints:
    """The complaints about one resource, in the order of its elements."""

    resource: str
    _texts: dict[str, list[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._texts)

    def add(self, element: str, text: str) -> None:
        """Note what is wrong with an element, which is named by its id or a path from it."""
        self._texts.setdefault(element, []).append(text)

    def expression(self, element: str, text: str) -> Expression:
        """Compile an expression; one that cannot be compiled is noted, and its text is returned."""
        try:
            return Expression.of(text)
        except feel.FeelError as error:
            quoted = Expression(text).quoted
            self.add(element, f"failed to parse expression '{quoted}': {error}")
            return Expression(text)

    def formula(self, element: str, text: str) -> Expression:
        """Compile an expression where static text makes no sense."""
        if not text.lstrip().startswith("="):
            self.add(
                element,
                f"Expected expression but found static value '{Expression(text).quoted}'. "
                "An expression must start with '=' (e.g. '=x').",
            )
        return self.expression(element, text)

    @property
    def texts(self) -> list[str]:
        """The complaints without the elements that they are about."""
        return [text for texts in self._texts.values() for text in texts]

    def __str__(self) -> str:
        told = (
            f"- Element: {element}\n" + "".join(f"    - ERROR: {text}\n" for text in texts)
            for element, texts in self._texts.items()
        )
        return f"'{self.resource}': " + "".join(told)
