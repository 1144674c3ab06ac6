"""The starter for ``summarize``: a small BART that writes the headline of a short report."""
