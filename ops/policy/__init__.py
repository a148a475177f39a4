"""What the pipeline's roles may do, what they did, and the difference."""
