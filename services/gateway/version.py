"""The gateway's version, for the API document and for LanguageTool's clients."""

VERSION = "0.1.0"
