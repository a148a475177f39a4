"""The commands behind the Makefile and the workflows: `python -m ops --help`."""
