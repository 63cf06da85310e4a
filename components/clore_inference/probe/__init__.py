"""Whether an endpoint answers, and whether it does what was asked of it."""
