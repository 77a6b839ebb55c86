"""The command line: `python -m model --help` lists the commands."""

import sys

from model.commands import main

if __name__ == "__main__":
    sys.exit(main())
