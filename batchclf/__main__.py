"""`python -m batchclf`."""

import sys

from batchclf.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
