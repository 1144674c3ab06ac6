"""The gateway's version, as its documents and answers tell it."""

VERSION = "0.1.0"
