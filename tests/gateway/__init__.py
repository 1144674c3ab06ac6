"""Tests of the gateway: a real process over HTTP, on a real Valkey, with a small worker of the tests' own."""
