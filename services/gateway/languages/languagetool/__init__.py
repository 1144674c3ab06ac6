"""LanguageTool's HTTP API over the denoise task."""
