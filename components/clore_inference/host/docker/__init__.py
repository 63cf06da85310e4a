"""A Docker engine of one's own, over its API: by its local socket, or by the user's own SSH."""
