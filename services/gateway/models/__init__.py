"""Models and workers: the routes that list them, and the choice of the model that runs a request."""
