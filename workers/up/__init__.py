"""One terminal, all processes: what `manage.py up` runs, and where it is reached.

Other packages import from here.
"""

from workers.redis_address import InvalidRedisAddress, RedisAddress, socket_path, without_password
from workers.redis_address import parse as parse_redis_url
from workers.store.private_files import STORE_NAME, keep_private
from workers.up.service import url

__all__ = [
    # Where the service is
    "url",
    # Its data
    "STORE_NAME",
    "keep_private",
    # Its Redis
    "InvalidRedisAddress",
    "RedisAddress",
    "parse_redis_url",
    "socket_path",
    "without_password",
]
