"""What goes between a kernel and a page, once."""
