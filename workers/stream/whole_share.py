"""Who has a client's share as a whole: one large write at a time, whichever web process sends it.

The holder is a mark of the request that is about to submit or, once the stream has its write, the write's id.
A holder lapses, so that whoever dies, or a writer that is held up, keeps nobody from acceptance for long.
"""

import redis

from workers.stream import keys
from workers.stream.scripts import source


def take(client: redis.Redis, name: str, holder: str, *, through: str, seconds: float) -> str | None:
    """Take the share, also from a holder that is known to be `through`; return who has it instead.

    With an empty holder it is given back, if `through` has it still.
    """
    milliseconds = max(1, round(seconds * 1000))
    found = client.eval(source("take_share.lua"), 1, keys.share(name), through, holder, milliseconds)
    return found.decode() if found else None
