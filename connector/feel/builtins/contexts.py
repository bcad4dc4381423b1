"""Context functions."""

from __future__ import annotations

from connector.feel.functions import builtin
from connector.feel.limits import Run
from connector.feel.values import Value

Context = dict[str, Value]


@builtin("get value(context: context, key: string)", "get value(m: context, key: string)")
def get_value(context: Context, key: str) -> Value:
    """Return the entry with this key, or null."""
    return context.get(key)


@builtin("get value(context: context, keys: list)")
def get_value_at(context: Context, keys: list[Value]) -> Value:
    """Return the nested entry that a path of keys leads to, or null."""
    value: Value = context if keys else None
    for key in keys:
        if not isinstance(key, str) or not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


@builtin("get entries(context: context)", "get entries(m: context)")
def get_entries(run: Run, context: Context) -> list[Value]:
    """Return the entries as contexts of ``key`` and ``value``."""
    run.charge(len(context))
    return [{"key": key, "value": value} for key, value in context.items()]


@builtin(
    "context put(context: context, key: string, value: Any)", "put(context: context, key: string, value: Any)"
)
def put(run: Run, context: Context, key: str, value: Value) -> Context:
    """Return the context with an entry added or replaced."""
    run.charge(len(context))
    return {**context, key: value}


@builtin("context put(context: context, keys: list, value: Any)")
def put_at(run: Run, context: Context, keys: list[Value], value: Value) -> Context | None:
    """Return the context with a nested entry added or replaced; what is no context on the way becomes one."""
    run.charge(len(context) + len(keys))
    if not keys or not all(isinstance(key, str) for key in keys):
        return None
    outermost = level = dict(context)
    for key in keys[:-1]:
        nested = level.get(str(key))
        inner = dict(nested) if isinstance(nested, dict) else {}
        run.charge(len(inner))
        level[str(key)] = inner
        level = inner
    level[str(keys[-1])] = value
    return outermost


@builtin("context merge(*contexts: list)", "put all(*contexts: list)")
def merge(run: Run, contexts: list[Value]) -> Context | None:
    """Return one context of several; of entries with the same key the last one counts."""
    if len(contexts) == 1 and isinstance(contexts[0], list):
        contexts = contexts[0]
    merged: Context = {}
    for context in contexts:
        if not isinstance(context, dict):
            return None
        run.charge(len(context) + 1)
        merged.update(context)
    return merged


@builtin("context(entries: list)")
def from_entries(run: Run, entries: list[Value]) -> Context | None:
    """Return a context of ``key`` and ``value`` pairs: the reverse of ``get entries``."""
    run.charge(len(entries))
    built: Context = {}
    for entry in entries:
        if not isinstance(entry, dict) or "value" not in entry:
            return None
        key = entry.get("key")
        if not isinstance(key, str):
            return None
        built[key] = entry["value"]
    return built
