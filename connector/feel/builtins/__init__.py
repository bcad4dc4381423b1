"""The built-in functions, one module for each group of Camunda's documentation.

Importing this package registers all of them in ``REGISTRY``, by their signatures.
"""

from connector.feel.builtins import (
    contexts,
    conversion,
    lists,
    numbers,
    strings,
)
from connector.feel.functions import REGISTRY

__all__ = [
    "REGISTRY",
    "contexts",
    "conversion",
    "lists",
    "numbers",
    "strings",
]
