"""``smtp-connector feel``: try an expression at the terminal, as a result or error expression runs.

An expression and its variables enter; the value is printed as JSON, warnings and errors go to standard error.
"""

from __future__ import annotations

import json
import sys
from typing import BinaryIO

from connector.cli.json_file import read_object
from connector.feel import CONNECTOR_FUNCTIONS, Expression, FeelError
from connector.feel import compile as compile_feel


def try_expression(text: str, context: str | None) -> int:
    """Evaluate an expression and print what comes of it; 0 when there is a value, 1 when it fails.

    Args:
        text: The expression, with or without the leading ``=`` of a task header.
        context: A file with the variables as a JSON object, ``-`` for standard input; none without.

    Raises:
        UsageError: The file cannot be read, or holds no JSON object.
    """
    variables = read_object(context, "the variables of the expression") if context is not None else {}
    try:
        expression: Expression = compile_feel(text)
        evaluation = expression.evaluate(variables, functions=CONNECTOR_FUNCTIONS)
    except FeelError as error:
        _print(sys.stderr.buffer, f"{error}\n{error.caret()}")
        return 1
    for warning in evaluation.warnings:
        _print(sys.stderr.buffer, f"warning: {warning}")
    _print(sys.stdout.buffer, json.dumps(evaluation.value, indent=2, ensure_ascii=False))
    return 0


def _print(stream: BinaryIO, text: str) -> None:
    """Write a line in UTF-8; half of a surrogate pair, which FEEL can cut off, as JSON escapes it."""
    stream.write(f"{text}\n".encode(errors="backslashreplace"))
    stream.flush()
