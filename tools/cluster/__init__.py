"""A Kubernetes of three nodes on this machine, and what a rendered service bears in it.

``make cluster`` runs it, by hand. Every process, mount and network namespace belongs to the
command and ends with it; no packet leaves these namespaces.
"""
