"""Train toy models whose true features are known, live."""
