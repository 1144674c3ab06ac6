"""What the starter summarizer learns from: short reports, and the headlines that state their facts."""
