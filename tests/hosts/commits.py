"""Who committed what, in which epoch and in which order: noted by the server, in the transactions themselves.

A trigger on the receipts notes, for each of them, which process commits (the server's `application_name`: pid
and host) and whom the lease names in that same transaction, with its epoch. When the transaction was
committed the server tells too (`track_commit_timestamp`). So nothing depends on what the writers' logs say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests import clusters
from tests.torture.facts import Violation

TRIGGERS = """
CREATE TABLE hosts_commit (
    write_id bigint, transaction bigint, committer text, epoch bigint, holder text
);
CREATE FUNCTION hosts_note_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO hosts_commit
    SELECT NEW.write_id, pg_current_xact_id()::text::bigint,
           substring(current_setting('application_name') from '\\S+$'), epoch, pid || '@' || host
    FROM workers_lease;
    RETURN NULL;
END $$;
CREATE TRIGGER hosts_note_commit AFTER INSERT ON workers_receipt
    FOR EACH ROW EXECUTE FUNCTION hosts_note_commit();
GRANT ALL ON hosts_commit TO PUBLIC;
"""

_ALL = """
SELECT write_id, transaction, committer, epoch, holder,
       extract(epoch FROM pg_xact_commit_timestamp(xmin))::float
FROM hosts_commit ORDER BY 6, 2, 1
"""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One receipt, as its transaction saw the lease."""

    write_id: int
    transaction: int
    committer: str
    """`pid@host` of who committed it."""
    epoch: int
    holder: str
    """`pid@host` of whom the lease named."""
    at: float
    """When it was committed, by the server, in seconds since 1970."""


def read(url: str) -> list[Commit]:
    """Return all of them, in the order of their commits."""
    return [
        Commit(write_id=write_id, transaction=number, committer=who, epoch=epoch, holder=holder, at=at)
        for write_id, number, who, epoch, holder, at in clusters.rows(url, _ALL)
    ]


def check(commits: Sequence[Commit]) -> Iterator[Violation]:
    """Yield each commit of another process than the lease's holder, and each epoch after a later one."""
    for commit in commits:
        if commit.committer != commit.holder:
            yield Violation(kind="commit without lease", evidence=f"{commit}")
    for one, next_one in pairwise(commits):
        if next_one.epoch < one.epoch:
            yield Violation(kind="epochs interleaved", evidence=f"{one}, and then {next_one}")
        if next_one.write_id <= one.write_id:
            yield Violation(kind="reordered", evidence=f"{one}, and then {next_one}")


def first_after(commits: Sequence[Commit], moment: float, *, above: int = 0) -> Commit | None:
    """Return the first commit after a moment, in an epoch above that one."""
    return next((one for one in commits if one.at > moment and one.epoch > above), None)


def longest_gap(commits: Sequence[Commit], since: float, until: float) -> float:
    """Return the longest time without a commit between two moments."""
    moments = [since, *(one.at for one in commits if since < one.at < until), until]
    return float(max(second - first for first, second in pairwise(moments)))
