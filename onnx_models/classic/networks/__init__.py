"""Classic networks in torch: written so that they train, and can be traced into graphs, as they are."""
