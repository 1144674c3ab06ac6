"""From the stored output of a job to a route's answer."""
