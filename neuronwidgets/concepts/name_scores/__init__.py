"""How well names and groups of samples stand the test: by a callable, by people, on new texts."""
