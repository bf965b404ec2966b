"""The write path: every write goes through a Redis stream to the one writer, which commits in batches.

Other packages import from here (and `workers.rest` for the REST side), from nowhere below.
"""

from workers.direct_writes import with_store_lock
from workers.event_loop.lanes import Busy, Lane
from workers.exceptions import (
    AcceptanceUnknown,
    FileArgument,
    KeyInProgress,
    KeyReused,
    NotAccepted,
    QueueUnavailable,
    RoleMayNotWrite,
    StoreBusy,
    StoreNotReady,
    StreamFull,
    StreamOfAnotherStore,
    TransactionTimedOut,
    UnfitArgument,
    UnknownWriteFunction,
    UnsupportedArgument,
    WriteOutsideWriter,
    WritePathError,
    WriteRejected,
    WrongStore,
)
from workers.operations.absence import why_no_writer
from workers.operations.readiness import for_anyone, health_warnings, why_not_ready
from workers.operations.status import QueueStatus, queue_status
from workers.registry import WriteFunction, user_id, write_function
from workers.store.bulk_insert import BulkInsert
from workers.store.conflicts import conflict_of
from workers.store.errors import is_cut_off, is_request_error, is_store_error
from workers.store.identity import problem as store_problem
from workers.store.replica import ReplicaState
from workers.store.replica import state as replica_state
from workers.store.roles import Role, current_role, set_role
from workers.submission.client import submit
from workers.submission.submission import Submission
from workers.writes import Outcome, Result, Write, WriteStatus

__all__ = [
    # Writing and applying
    "BulkInsert",
    "Result",
    "Submission",
    "Write",
    "WriteFunction",
    "conflict_of",
    "submit",
    "user_id",
    "write_function",
    # What became of a write
    "WriteStatus",
    "Outcome",
    # How the write path is doing
    "QueueStatus",
    "ReplicaState",
    "queue_status",
    "replica_state",
    "store_problem",
    "why_no_writer",
    "health_warnings",
    "why_not_ready",
    "for_anyone",
    # Who may write: roles, and views that write with the store lock
    "Role",
    "current_role",
    "set_role",
    "with_store_lock",
    # Calls that block, beside the event loop
    "Busy",
    "Lane",
    # Errors
    "AcceptanceUnknown",
    "FileArgument",
    "KeyInProgress",
    "KeyReused",
    "NotAccepted",
    "QueueUnavailable",
    "StoreBusy",
    "StoreNotReady",
    "StreamFull",
    "StreamOfAnotherStore",
    "TransactionTimedOut",
    "UnfitArgument",
    "UnknownWriteFunction",
    "UnsupportedArgument",
    "RoleMayNotWrite",
    "WriteOutsideWriter",
    "WritePathError",
    "WriteRejected",
    "WrongStore",
    "is_cut_off",
    "is_request_error",
    "is_store_error",
]
