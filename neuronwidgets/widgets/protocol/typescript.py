"""The schema as TypeScript: `js/src/protocol/schema.ts` and the files that it re-exports."""

import re
import textwrap
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from neuronwidgets.widgets.protocol import lab
from neuronwidgets.widgets.protocol.binary import Binary, Elements
from neuronwidgets.widgets.protocol.schema import (
    WIDGETS,
    about,
    alternatives,
    fields,
    module_of,
    name_of,
    types_by_module,
)

WIDTH = 100
"""Characters of a line, as in `js/biome.json`."""
PLAIN = {
    int: "number",
    float: "number",
    str: "string",
    bool: "boolean",
    type(None): "null",
    bytes: "DataView",
}
DTYPES = {
    "float64": ("F64", "Float64Array"),
    "float32": ("F32", "Float32Array"),
    "int32": ("I32", "Int32Array"),
    "int16": ("I16", "Int16Array"),
    "uint16": ("U16", "Uint16Array"),
    "int8": ("I8", "Int8Array"),
    "uint8": ("U8", "Uint8Array"),
}
"""NumPy's type: the name in the safetensors format, and the typed array."""
HEAD = """/**
 * What the kernel and the views send each other{part}.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */
"""


def typescript() -> dict[str, str]:
    """The text of each file, by its path below `js/src/protocol/`.

    `schema/NAME.ts` has the types of the Python module NAME, `schema/dtypes.ts` the dtypes, and
    `schema.ts` re-exports all of them.
    """
    parts = {"dtypes": list(_dtypes())}
    homes = {"Dtype": "dtypes"}
    for module, types_here in types_by_module().items():
        parts[module] = [
            _interface(name, hint) if typing.is_typeddict(hint) else _alias(name, hint)
            for name, hint in types_here.items()
        ]
        homes |= dict.fromkeys(types_here, module)
    for widget in WIDGETS:
        requests = [name_of(request) or "" for request in widget.requests]
        doc = f"What a view of {widget.name} may ask of the kernel."
        module_parts = parts[module_of(widget)]
        module_parts.append(_union(f"{widget.name}Request", requests, doc))
        for message, binary in widget.messages.items():
            home = parts[binary.module] if binary.module else module_parts
            home += _arrays(message, binary, widget.name)
    for union, shapes, doc in (
        ("FromKernel", lab.EVENTS, "What the kernel tells JupyterLab's panel."),
        ("FromPage", lab.REQUESTS, "What JupyterLab's panel may ask of the kernel."),
    ):
        names = [shape.__name__ for shape in shapes]
        parts["lab"].append(_union(union, names, doc))
    texts = {
        f"schema/{module}.ts": "\n\n".join(
            [_head(f": `{module}`"), *_imports(module, module_parts, homes), *module_parts]
        )
        for module, module_parts in parts.items()
    }
    exports = [f'export * from "./schema/{module}";' for module in sorted(parts)]
    texts["schema.ts"] = "\n\n".join([_head(), "\n".join(exports)])
    return {path: text + "\n" for path, text in texts.items()}


def _head(part: str = "") -> str:
    return HEAD.format(part=part).strip()


def _imports(module: str, parts: list[str], homes: dict[str, str]) -> Iterator[str]:
    """The import statements of a file; `homes` has the file of each type."""
    code = re.sub(r"/\*.*?\*/", "", "\n".join(parts), flags=re.DOTALL)
    words = set(re.findall(r"\w+", code))
    names_of: dict[str, list[str]] = {}
    for name in sorted(words & set(homes)):
        if homes[name] != module:
            names_of.setdefault(homes[name], []).append(name)
    lines = []
    for home in sorted(names_of):
        line = f'import type {{ {", ".join(names_of[home])} }} from "./{home}";'
        if len(line) > WIDTH:
            items = [f"  {name}," for name in names_of[home]]
            line = "\n".join(["import type {", *items, f'}} from "./{home}";'])
        lines.append(line)
    if lines:
        yield "\n".join(lines)


def _dtypes() -> Iterator[str]:
    pairs = [f"  {short}: {array}," for short, array in DTYPES.values()]
    doc = _comment("The typed array of each dtype of the safetensors format.")
    yield "\n".join([*doc, "export const ARRAYS = {", *pairs, "} as const;"])
    yield "export type Dtype = keyof typeof ARRAYS;"


def _interface(name: str, shape: Any) -> str:
    own = list(fields(shape))
    doc = _comment(shape.__doc__)
    if not own:
        return "\n".join([*doc, f"export type {name} = Record<string, never>;"])
    lines = [*doc, f"export interface {name} {{"]
    for field, hint, words, required in own:
        lines += _comment(words, "  ")
        lines.append(f"  {field}{'' if required else '?'}: {type_of(hint)};")
    return "\n".join([*lines, "}"])


def _alias(name: str, hint: Any) -> str:
    if get_origin(hint) is Literal:
        return _union(name, [f'"{word}"' for word in get_args(hint)])
    return f"export type {name} = {_unnamed(hint)};"


def _union(name: str, members: list[str], doc: str = "") -> str:
    line = f"export type {name} = {' | '.join(members)};"
    if len(line) > WIDTH:
        line = "\n".join([f"export type {name} =", *(f"  | {member}" for member in members)]) + ";"
    return "\n".join([*_comment(doc), line])


def _arrays(message: str, binary: Binary, widget: str) -> Iterator[str]:
    title = message.capitalize()
    ends = " Their names end in the number of the run." if binary.per_run else ""
    doc = f"The arrays of the message `{message}`, the trait `{binary.trait}` of {widget}.{ends}"
    lines = [*_comment(doc), f"export interface {title}Arrays {{"]
    for name, array in binary.arrays.items():
        lines += _comment(f"`{array.shape}`. {array.about}", "  ")
        lines.append(f"  {name}{'?' if array.absent else ''}: {DTYPES[array.dtype][1]};")
    yield "\n".join([*lines, "}"])
    pairs = [f'  {name}: "{DTYPES[array.dtype][0]}",' for name, array in binary.arrays.items()]
    kind = f"Record<keyof {title}Arrays, Dtype>"
    doc = f"The dtypes of the arrays of `{message}`."
    yield "\n".join([*_comment(doc), f"export const {message.upper()}: {kind} = {{", *pairs, "};"])


def type_of(hint: Any) -> str:
    """A type in TypeScript; `schema.ts` has those that have a name."""
    return name_of(hint) or _unnamed(hint)


def _unnamed(hint: Any) -> str:
    if hint in PLAIN:
        return PLAIN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        (item,) = get_args(inner[0])
        (marks,) = (note for note in inner[1:] if isinstance(note, Elements))
        return f"[{', '.join(f'{name}: {type_of(item)}' for name in marks.names)}]"
    if origin is Literal:
        return " | ".join(f'"{word}"' for word in inner)
    if origin is list:
        item = type_of(about(inner[0])[0])
        return f"({item})[]" if " " in item else f"{item}[]"
    if origin is dict:
        record = f"Record<{type_of(inner[0])}, {type_of(inner[1])}>"
        return record if inner[0] is str else f"Partial<{record}>"
    members = alternatives(hint)
    if len(members) > 1:
        return " | ".join(dict.fromkeys(map(type_of, members)))
    raise TypeError(f"{hint!r} has no counterpart in TypeScript.")


def _comment(words: str | None, indent: str = "") -> list[str]:
    if not words:
        return []
    line = f"{indent}/** {words} */"
    if len(line) <= WIDTH:
        return [line]
    wrapped = textwrap.wrap(words, WIDTH - len(indent) - 3, break_on_hyphens=False)
    return [f"{indent}/**", *(f"{indent} * {part}" for part in wrapped), f"{indent} */"]
