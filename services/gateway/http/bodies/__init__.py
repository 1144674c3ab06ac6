"""A request's body on its way from the connection to a checked type, at a bounded cost for everybody else."""
