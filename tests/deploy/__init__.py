"""The stack as a person starts it: make targets, locks, images, compose file and the embedded stack itself."""
