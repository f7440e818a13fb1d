"""Which concepts of a lower layer feed a concept, and which neurons share one."""
