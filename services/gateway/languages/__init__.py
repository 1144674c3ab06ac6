"""The HTTP APIs of LibreTranslate and LanguageTool over the translate and denoise tasks."""
