"""What the corpora of several starters share: data files, templates with slots, word lists, typing noise."""
