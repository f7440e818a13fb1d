"""How things look: colours, images, charts, tables."""
