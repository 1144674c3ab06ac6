"""Long texts: split into chunks, and joined again."""
