"""The pipeline on one's own machine: the real workflow files, run from the first pull request to the last curl."""
