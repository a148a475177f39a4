"""`ops bench`: speed and memory beside what a user would take instead, as ratios within one run."""
