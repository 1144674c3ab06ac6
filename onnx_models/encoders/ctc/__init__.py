"""Speech encoders with connectionist temporal classification."""
