"""Python reads this at its start, when its folder is on the path: children find the external APIs as the tests do."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.network import redirect_external_apis

redirect_external_apis(int(os.environ["BIFROST_TEST_EXTERNAL_PORT"]))
sys.path.pop(0)
