"""Sample texts for comparisons: several scripts, unusual white space, and words that look like special tokens."""

TEXTS = (
    "a",
    "The quick brown fox jumps over the lazy dog.",
    "How do I reset my password?",
    "I LOVED it!!! 10/10, would buy again :-)",
    "naïve café, Straße, Ærøskøbing, señor",
    "Привет, как дела? 今日はいい天気ですね。 مرحبا",
    "emoji 🎉👩‍👩‍👧 and symbols © € ½ → ≤",
    "tabs\tand\nnew lines   and  spaces ",
    "<html>&amp;</html> {'json': [1, 2.5e-3]} https://example.org/a?b=c#d",
    "[MASK] [SEP] <s> </s> <unk> are words that look special",
    "Antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
)
