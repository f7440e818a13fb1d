"""All neurons of a layer, split in one call."""
