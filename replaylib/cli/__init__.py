"""The command line: thin, over functions of the other parts."""
