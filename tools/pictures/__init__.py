"""``make pictures``: the pictures of README.md and of services, made from running programs."""
