"""The colours of concepts and runs: Paul Tol's bright scheme, then six that differ from it.

The first six can be told apart with any common colour blindness. Beyond them, the numbers on the
cards and in the dendrogram help.
"""

COLORS = (
    "#4477AA",
    "#EE6677",
    "#228833",
    "#CCBB44",
    "#66CCEE",
    "#AA3377",
    "#EE7733",
    "#009988",
    "#997700",
    "#7766CC",
    "#EE99AA",
    "#99AA33",
)
UNASSIGNED = "#999999"
"""The colour of samples that are in no concept: grey, which no concept has."""
