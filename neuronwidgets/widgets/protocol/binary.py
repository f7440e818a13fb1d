"""How the schema describes a binary message: its arrays, and the JSON beside them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Array:
    """One array of a binary message.

    Attributes:
        dtype: NumPy's name of its type, such as "int32". Bytes on the wire are little-endian.
        shape: a tuple of sizes as Python writes it, such as "(n - 1, 2)".
        about: what it holds.
        absent: when the message lacks it; empty where it is always there.
    """

    dtype: str
    shape: str
    about: str
    absent: str = ""


@dataclass(frozen=True)
class Binary:
    """A binary message: arrays in the safetensors format, with JSON metadata (`buffers.pack`).

    Attributes:
        trait: the name of the `Bytes` trait that carries it.
        about: what the message is for.
        sizes: what the letters in shapes stand for.
        arrays: by name.
        meta: the `TypedDict` of the metadata.
        per_run: whether each run has arrays of its own, whose names end in its number.
        module: the module that describes it, whose file of types it is in; empty: the widget's.
    """

    trait: str
    about: str
    sizes: dict[str, str]
    arrays: dict[str, Array]
    meta: type
    per_run: bool = False
    module: str = ""


@dataclass(frozen=True)
class Elements:
    """Marks a JSON list of fixed length: `Annotated[list[float], Elements(("low", "high"))]`.

    Attributes:
        names: what each element is.
    """

    names: tuple[str, ...]


@dataclass(frozen=True)
class WidgetSchema:
    """What goes between one widget and its views.

    Attributes:
        name: of the widget's class.
        traits: the `TypedDict` of its synced traits.
        requests: a `TypedDict` for each kind of request that a view sends.
        messages: its binary messages, by name.
    """

    name: str
    traits: type
    requests: tuple[type, ...]
    messages: dict[str, Binary]
