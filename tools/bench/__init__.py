"""``make bench``: measure the cost of the template and of the rendered services, part by part."""
