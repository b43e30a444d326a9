"""`python -m bifrost` is `bifrost`."""

import sys

from bifrost.cli.main import main

sys.exit(main())
