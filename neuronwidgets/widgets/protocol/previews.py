"""How samples look: the part that several binary messages share."""

from typing import Annotated, Literal, TypedDict

from neuronwidgets.widgets.protocol.binary import Array

SampleKind = Literal["image", "text", "none"]

PREVIEWS = {
    "face": Array("int32", "(F,)", "Dataset index of each sample that has a preview."),
    "atlas": Array(
        "uint8", "(B,)", "A PNG or JPEG file of square tiles, row by row.",
        absent="no images, or no previews",
    ),
    "value": Array(
        "float32", "(V,)", "Activation of each segment, text after text.",
        absent="no texts, or no previews",
    ),
}  # fmt: skip
"""The arrays of previews."""

PREVIEW_SIZES = {
    "F": "samples that have a preview",
    "B": "bytes of the file",
    "V": "segments with an activation, over all texts",
}


class _Tile(TypedDict):
    side: Annotated[int, "Pixels of a square tile."]
    columns: Annotated[int, "Tiles in a row of the atlas."]
    rows: Annotated[int, "Rows of tiles."]
    ink: Annotated[bool, "Small grey figures on black; a light page shows them inverted."]


class Tile(_Tile, total=False):
    """The layout of an atlas of images."""

    print: Annotated[bool, "Small grey figures on white; a dark page shows them inverted."]


class _Kind(TypedDict):
    kind: Annotated[SampleKind, "What the samples are."]


class PreviewsMeta(_Kind, total=False):
    """The metadata of previews: `tile` for images, the others for texts."""

    tile: Annotated[Tile, "The layout of `atlas`."]
    segments: Annotated[list[list[str]], "The segments of each text; joined, they are the text."]
    values: Annotated[list[int], "How many elements of `value` each text has; 0: not read."]
    peaks: Annotated[list[int], "The segment of each text's peak token; -1: none."]
    cut: Annotated[list[bool], "Whether each text is a part of a longer one."]
