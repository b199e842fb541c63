"""``make pictures``: the pictures of README.md and of a service, each from the real thing."""
