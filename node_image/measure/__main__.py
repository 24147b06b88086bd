"""`python -m node_image.measure`: see `node_image.measure.main`."""

import sys

from node_image.measure.main import main

if __name__ == "__main__":
    sys.exit(main())
