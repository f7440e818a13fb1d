"""Arrays in, arrays out: clusterings, and how good they are. Nothing here knows of neurons."""
