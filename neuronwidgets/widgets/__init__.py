"""The widgets: one file each, and the only room that imports anywidget."""
