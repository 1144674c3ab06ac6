"""A task that the product does not have: ``rank`` orders passages by how similar they are to a query.

The modules are copied into a copy of the source tree, under the paths that CONTRIBUTING.md names, and imported there.
"""
