"""Tests of the shared types, settings and manifests, which need no server."""
