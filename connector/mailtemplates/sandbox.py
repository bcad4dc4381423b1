"""The Jinja environment of mail templates: strict, without Python's attributes, within a budget.

What differs from Jinja's ``ImmutableSandboxedEnvironment``:

- data has no methods: ``order.items`` is the key ``items``, and no ``'%9999d'.format`` exists;
- null counts as missing, so that ``default`` and ``is defined`` treat both alike;
- only the filters of :data:`FILTERS` and :mod:`.formats` exist; each is charged, and so are loops, calls,
  ``~``, ``+`` and captured blocks (:mod:`.budget`). ``*`` and ``%`` are for numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from jinja2 import BaseLoader, StrictUndefined, Template, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from markupsafe import Markup

from connector.mailtemplates.budget import charge, counted, joined

_SUBSCRIBED = (str, Mapping, list, tuple)
_DATA = (*_SUBSCRIBED, int, float)
_LARGEST = 10**30
_LONGEST_RANGE = 10_000
_OF_ANY = (
    *("abs", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "last"),
    *("length", "list", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr"),
    *("sort", "unique"),
)
_OF_TEXT = (
    *("capitalize", "e", "escape", "lower", "string", "striptags", "title", "trim", "truncate", "upper"),
    *("urlencode", "wordcount"),
)


class Missing(StrictUndefined):
    """What a template names and its data does not have."""

    @property
    def name(self) -> str:
        """What the template calls it."""
        return str(self._undefined_name)

    def _fail_with_undefined_error(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - Jinja's own
        raise MissingError(self.name)

    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = _fail_with_undefined_error
    __contains__ = __getitem__ = __call__ = __int__ = __float__ = _fail_with_undefined_error
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _fail_with_undefined_error
    __lt__ = __le__ = __gt__ = __ge__ = __truediv__ = __mod__ = __html__ = _fail_with_undefined_error


class MissingError(UndefinedError):
    """A template uses what its data does not have.

    Args:
        name: What the template calls it.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is missing or null in the data")
        self.name = name


class _NullIsMissing(Context):
    def resolve_or_missing(self, key: str) -> Any:
        found = super().resolve_or_missing(key)
        return missing if found is None else found


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """The environment of one template in one language.

    Args:
        loader: Finds its files.
        filters: Filters beside Jinja's own.
    """

    intercepted_binops = frozenset("+*/%") | {"**", "//"}
    context_class = _NullIsMissing
    concat = staticmethod(joined)

    def __init__(self, loader: BaseLoader, filters: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__(
            loader=loader,
            undefined=Missing,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            optimized=False,
            auto_reload=False,
        )
        jinjas: dict[str, Any] = JINJA_FILTERS
        own = {name: _charged(jinjas[name]) for name in _OF_ANY}
        own |= {name: _charged(_of_text(jinjas[name])) for name in _OF_TEXT}
        more: dict[str, Callable[..., Any]] = {"join": _join, "replace": _replace, **filters}
        self.filters = own | {name: _charged(one) for name, one in more.items()}
        self.filters |= {"_counted": counted, "_charged": _same, "_shown": _shown, "_walked": _walked}
        self.globals = {"range": _range, "namespace": self.globals["namespace"]}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Parse a file, and put a charge around its loops and its joined texts."""
        tree = super()._parse(source, name, filename)
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = _filtered(loop.iter, "_counted")
        _charge_literals(tree)
        tree.set_environment(self)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up a key of data, or an attribute of what is Jinja's own, such as ``loop.index``."""
        if isinstance(obj, _DATA):
            return self.getitem(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up a key or a position; null and what is not there are both missing."""
        if isinstance(obj, Undefined):
            return obj[argument]
        try:
            found: Any = obj[argument] if isinstance(obj, _SUBSCRIBED) else None
            if found is None and not isinstance(obj, _DATA):
                found = super().getitem(obj, argument)
        except (LookupError, TypeError, ValueError):
            found = None
        return self.undefined(obj=obj, name=argument) if found is None else found

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate with numbers; of texts and lists only the sum, within the budget."""
        charge()
        if operator == "+" and isinstance(left, str | list) and isinstance(right, str | list):
            charge(left, right)
            return left + right  # type: ignore[operator]
        for operand in (left, right):
            if isinstance(operand, Undefined):
                str(operand)  # raises, with its name
            if not isinstance(operand, int | float) or abs(operand) > _LARGEST:
                raise SecurityError(f"{operator} needs numbers of at most 30 digits on both sides")
        if operator == "**" and abs(right) > 100:
            raise SecurityError("** takes exponents up to 100")
        return super().call_binop(context, operator, left, right)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call a macro or function, for one step."""
        charge()
        return super().call(*args, **kwargs)

    def get_template(self, name: Any, parent: str | None = None, globals: Any = None) -> Template:  # noqa: A002 - Jinja's own
        """Load a file, for one step."""
        charge()
        return super().get_template(name, parent, globals)


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _charge_literals(node: nodes.Node) -> None:
    """Charge joined texts by their length, and lists and contexts that a template writes by their depth."""
    if isinstance(node, nodes.Concat):
        node.nodes = [_filtered(one, "_shown") for one in node.nodes]
    for name, value in list(node.iter_fields()):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, nodes.Node):
                _charge_literals(child)
        if isinstance(value, list):
            value[:] = map(_guarded, value)
        else:
            setattr(node, name, _guarded(value))


def _guarded(node: Any) -> Any:
    if isinstance(node, nodes.Concat):
        return _filtered(node, "_charged")
    if isinstance(node, nodes.List | nodes.Dict) or (isinstance(node, nodes.Tuple) and node.ctx == "load"):
        return _filtered(node, "_walked")
    return node


def _walked(value: Any) -> Any:
    """Charge every item within a list, so that none grows exponentially by holding itself twice."""
    charge()
    if isinstance(value, list | tuple):
        for item in value:
            _walked(item)
    elif isinstance(value, dict):
        for item in value.values():
            _walked(item)
    return value


def _charged(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        charge(*args, *kwargs.values())
        result = function(*args, **kwargs)
        charge(result)
        return result

    return wrapper


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse lists and contexts, whose text may be as long as one likes."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_plain, args), **kwargs)

    return wrapper


def _plain(value: Any) -> Any:
    return _shown(value) if isinstance(value, Mapping | list | tuple) else value


def _same(value: Any) -> Any:
    charge(value)
    return value


def _shown(value: Any) -> Any:
    """Refuse to print what has no form in a mail."""
    if value is None:
        raise UndefinedError("a null is shown here; write default(…)")
    if isinstance(value, Mapping | list | tuple) and not isinstance(value, str):
        raise UndefinedError("a list or context is shown here; loop over it, or write join")
    return value


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > _LONGEST_RANGE:
        raise SecurityError(f"range has more than {_LONGEST_RANGE:,} numbers")
    return numbers


def _join(values: Any, between: str = "") -> str:
    texts = [str(_shown(value)) if not isinstance(value, Markup) else value for value in values]
    charge(*texts)
    for _ in texts:
        charge(between)
    return between.join(texts)


def _replace(text: Any, old: str, new: str) -> Any:
    if not isinstance(text, str) or not old:
        raise SecurityError("replace needs a text, and a text that is not empty to look for")
    for _ in range(text.count(old)):
        charge(new)
    return text.replace(old, new)
