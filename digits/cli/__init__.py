"""The command line of the training verbs, and the same from Python."""
