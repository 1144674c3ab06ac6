"""The APIs of LibreTranslate and LanguageTool."""
