"""Workers without models, which answer by rule or as a test says."""
