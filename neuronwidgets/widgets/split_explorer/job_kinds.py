"""The kinds of jobs that a user of SplitExplorer has asked for."""

SPLITTING = "split"
"""Splits what a view asked for."""
FOLLOWING = "follow"
"""Finds what feeds a concept."""
KEPT = (SPLITTING, FOLLOWING)
"""They end with the evidence for the picture, and neither a drag nor newer samples stop them."""
