"""What the benchmarks of models that write share: clients of growing texts, peers, comparisons, prompts."""
