"""Values of the calls by which workers start and end attempts."""
