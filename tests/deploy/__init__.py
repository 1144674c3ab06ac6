"""Everything that starts a stack: make targets, locks, images, the compose file and the embedded stack."""
