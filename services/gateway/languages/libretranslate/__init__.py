"""LibreTranslate's HTTP API over the translate task."""
