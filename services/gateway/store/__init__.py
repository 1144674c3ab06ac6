"""How requests use the store: what several of them ask at the same time goes out together."""
