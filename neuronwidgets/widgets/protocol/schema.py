"""The whole protocol: every named type, and what each widget sends and receives."""

import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from neuronwidgets.widgets.protocol import (
    base,
    browser,
    effects,
    explorer,
    graph,
    intruder,
    lab,
    library,
    previews,
    probe,
    ranges,
    reading,
    sae,
    scores,
    split,
    split_requests,
    toy,
    tree,
)
from neuronwidgets.widgets.protocol.binary import Elements, WidgetSchema

MODULES = (
    base,
    reading,
    previews,
    scores,
    library,
    effects,
    sae,
    graph,
    tree,
    split_requests,
    split,
    ranges,
    toy,
    probe,
    browser,
    intruder,
    explorer,
    lab,
)
WIDGETS = (
    split.SPLIT_EXPLORER,
    ranges.RANGE_EXPLORER,
    toy.TOY_LAB,
    probe.LIVE_PROBE,
    browser.NEURON_BROWSER,
    intruder.INTRUDER_TEST,
    explorer.EXPLORER,
)
EVENTS = (base.JobAck,)
"""What the kernel sends beside traits."""


@cache
def types_by_module() -> dict[str, dict[str, Any]]:
    """The public types of each of the schema's modules, by name, each after those that it uses."""
    known: set[str] = set()
    modules: dict[str, dict[str, Any]] = {}
    for module in MODULES:
        types_here: dict[str, Any] = {}
        for name, value in vars(module).items():
            alias = get_origin(value) in (Literal, Annotated)
            own = typing.is_typeddict(value) and value.__module__ == module.__name__
            if (own or alias) and not name.startswith("_") and name not in known:
                types_here[name] = value
        known |= set(types_here)
        modules[_short(module.__name__)] = types_here
    return modules


def named_types() -> dict[str, Any]:
    """The public types of all of the schema's modules, by name."""
    return {
        name: hint for types_here in types_by_module().values() for name, hint in types_here.items()
    }


def module_of(widget: WidgetSchema) -> str:
    """The name of the module that describes a widget, as in `types_by_module`."""
    return _short(widget.traits.__module__)


def _short(module: str) -> str:
    return module.rpartition(".")[2]


def name_of(hint: Any) -> str | None:
    """The name of a type; `None` where the schema gives it none."""
    return next((name for name, known in named_types().items() if known == hint), None)


def about(hint: Any) -> tuple[Any, str]:
    """A field's type without its description, and the description."""
    if get_origin(hint) is not Annotated:
        return hint, ""
    plain, *notes = get_args(hint)
    words = "".join(note for note in notes if isinstance(note, str))
    marks = [note for note in notes if isinstance(note, Elements)]
    return (Annotated[plain, marks[0]] if marks else plain), words


def fields(shape: Any) -> Iterator[tuple[str, Any, str, bool]]:
    """The name, type and description of each field of a `TypedDict`, and whether it is required."""
    for name, hint in get_type_hints(shape, include_extras=True).items():
        yield name, *about(hint), name in shape.__required_keys__


def kind_of(shape: Any) -> str | None:
    """The kind of a request or event, its `type`; `None` for any other `TypedDict`."""
    kinds = (hint for name, hint, *_ in fields(shape) if name == "type")
    return next((str(get_args(hint)[0]) for hint in kinds), None)


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The members of a union; of any other type, the type alone."""
    union = get_origin(hint) in (typing.Union, types.UnionType)
    return get_args(hint) if union else (hint,)
