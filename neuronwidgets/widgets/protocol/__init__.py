"""The messages and traits between a kernel and its views, described once."""
