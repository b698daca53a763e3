"""The command line as a module: python -m mltu."""

from mltu.cli.main import main

if __name__ == "__main__":
    main()
