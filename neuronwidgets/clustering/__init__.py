"""Clusterings of points, and how good they are. Arrays in, arrays out; nothing knows of neurons."""
