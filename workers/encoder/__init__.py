"""The encoder worker: models that turn a text into anything but text."""
