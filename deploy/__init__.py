"""How Triptych is run: the embedded stack without Docker, the images with it, and the locks of both."""
