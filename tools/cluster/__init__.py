"""A Kubernetes cluster of three nodes on this machine, and tests of rendered services in it.

``make cluster`` runs it, by hand. Every process, mount and network namespace belongs to the
command and ends with it; no packet leaves these namespaces.
"""
