"""Settings of a project that had ATOMIC_REQUESTS before it came here, and views that write by themselves."""

import os

from tests.settings import *  # noqa: F403 - the tests run on the real settings
from tests.settings import DATABASES

DATABASES["default"]["ATOMIC_REQUESTS"] = True
WRITE_OUTSIDE_WRITER = os.environ["WRITE_OUTSIDE_WRITER"]
