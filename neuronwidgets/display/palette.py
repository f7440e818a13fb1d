"""The colours of concepts and runs: Paul Tol's bright ones first, then others kept apart from them.

Told apart with any common colour blindness in the first six; beyond that, the number on the card
and in the dendrogram tells too. Grey is for samples of no concept.
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
