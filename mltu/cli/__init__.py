"""The command line: one module for each command; what it does is imported when it runs."""
