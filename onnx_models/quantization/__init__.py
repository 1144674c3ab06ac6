"""Conversion of a package's graphs to lower precisions. docs/decisions/0013 compares them."""
