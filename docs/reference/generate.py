"""Write `api.md` from the docstrings of the public names, without importing the package.

python docs/reference/generate.py
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("api.md")
HEAD = """# Public names

<!-- Written by `python docs/reference/generate.py` from the docstrings. Do not edit. -->

All are in `neuronwidgets`, imported as `nw`.
"""

HIDDEN = {"get_state", "set_state", "model_id"}
"""Methods that a widget overrides for ipywidgets: users do not call them."""


def file_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def names_of(file: Path, package: str) -> Iterator[tuple[str, str]]:
    """`(module, name)` of each `from MODULE import NAME as NAME` in a list of public names."""
    for node in tree_of(file).body:
        if isinstance(node, ast.ImportFrom):
            parts = [package] if node.level else []
            module = ".".join([*parts, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names if alias.asname)


def documented(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt, str | None]]:
    """Name, node and docstring of what a module or class defines; of a value, the string below."""
    for node, below in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node, ast.get_docstring(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name):
                value = below.value if isinstance(below, ast.Expr) else None
                text = value.value if isinstance(value, ast.Constant) else None
                yield target.id, node, inspect.cleandoc(text) if isinstance(text, str) else None


def signature(node: ast.FunctionDef, name: str) -> str:
    """The call, without types and, of a method, without `self`."""
    call = ast.parse(ast.unparse(node)).body[0]
    assert isinstance(call, ast.FunctionDef)
    arguments = call.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        argument.annotation = None
    for rest in (arguments.vararg, arguments.kwarg):
        if rest is not None:
            rest.annotation = None
    if arguments.args and arguments.args[0].arg in ("self", "cls"):
        del arguments.args[0]
    return f"{name}({ast.unparse(arguments)})"


def markdown(docstring: str | None) -> str:
    """A docstring with its sections as bold words and their entries as lists."""
    lines: list[str] = []
    inside = False
    for line in (docstring or "").splitlines():
        if re.fullmatch(r"(Args|Attributes|Raises|Returns|Yields):", line):
            lines += [f"**{line[:-1]}**", ""]
            inside = True
        elif inside and re.match(r" {4}\S", line):
            lines.append(re.sub(r"^ {4}([\w.*, ]+): ", r"- `\1`: ", line).removeprefix("    "))
        elif inside and line.startswith("        "):
            lines.append(f"  {line.strip()}")
        else:
            inside = inside and not line
            lines.append(line)
    return "\n".join(lines).strip()


def members(module: str, node: ast.ClassDef) -> dict[str, tuple[ast.stmt, str | None]]:
    """What a class and its bases of this package define and document, its own first."""
    found = {name: (member, text) for name, member, text in documented(node.body)}
    imports = {
        alias.name: other.module
        for other in tree_of(file_of(module)).body
        if isinstance(other, ast.ImportFrom) and (other.module or "").startswith("neuronwidgets.")
        for alias in other.names
    }
    for base in node.bases:
        home = imports.get(ast.unparse(base))
        if home:
            _, parent, _ = defined(home, ast.unparse(base))
            assert isinstance(parent, ast.ClassDef)
            found |= {name: of for name, of in members(home, parent).items() if name not in found}
    return found


def defined(module: str, name: str) -> tuple[str, ast.stmt, str | None]:
    """The last definition: overloads come before the function that has the docstring."""
    found = [of for of in documented(tree_of(file_of(module)).body) if of[0] == name]
    return found[-1]


def entry(module: str, name: str, prefix: str, level: int) -> Iterator[str]:
    title = f"{prefix}{name}"
    if file_of(f"{module}.{name}").exists() and file_of(f"{module}.{name}").name == "__init__.py":
        inner = f"{module}.{name}"
        yield f"{'#' * level} {title}"
        yield markdown(ast.get_docstring(tree_of(file_of(inner))))
        for home, public in names_of(file_of(inner), inner):
            yield from entry(home, public, f"{title}.", level + 1)
        return
    _, node, text = defined(module, name)
    yield f"{'#' * level} {title}"
    if isinstance(node, ast.FunctionDef):
        yield f"```\n{signature(node, title)}\n```"
    yield markdown(text)
    if not isinstance(node, ast.ClassDef):
        return
    of = members(module, node)
    for member in sorted(of.keys() - HIDDEN, key=["__init__", *of].index):
        inside, about = of[member]
        if member == "__init__" and isinstance(inside, ast.FunctionDef):
            yield f"```\n{signature(inside, title)}\n```"
            yield markdown(about)
        elif about and not member.startswith("_"):
            if isinstance(inside, ast.FunctionDef):
                marks = {ast.unparse(mark).split(".")[-1] for mark in inside.decorator_list}
                value = marks & {"property", "cached_property"}
                call = member if value else signature(inside, member)
                yield f"**`{call}`**\n\n{markdown(about)}"
            else:
                yield f"**`{member}`**\n\n{markdown(about)}"


def page() -> str:
    public = names_of(ROOT / "neuronwidgets" / "__init__.pyi", "neuronwidgets")
    entries = [part for module, name in public for part in entry(module, name, "nw.", 2) if part]
    return "\n\n".join([HEAD.strip(), *entries]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
