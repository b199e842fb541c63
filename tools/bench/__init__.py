"""``make bench``: what the template and the services that it renders cost, part by part."""
