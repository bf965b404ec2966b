"""The write path: every write goes through a Redis stream to the one writer, which commits in batches.

Other packages import from here (and `workers.rest` for the REST side), from nowhere below.
"""

from workers.client import submit
from workers.conflicts import conflict_of
from workers.exceptions import (
    AcceptanceUnknown,
    FileArgument,
    KeyInProgress,
    KeyReused,
    LeaseUnavailable,
    NotAccepted,
    QueueUnavailable,
    StoreNotReady,
    StreamFull,
    StreamOfAnotherStore,
    UnfitArgument,
    UnknownWriteFunction,
    UnsupportedArgument,
    WriteOutsideWriter,
    WritePathError,
    WriteRejected,
    WrongStore,
)
from workers.faults import is_cut_off, is_requests_fault, is_stores_fault
from workers.identity import problem as store_problem
from workers.off_loop import Busy, Lane
from workers.principals import user_id
from workers.registry import WriteFunction, write_function
from workers.roles import Role, current_role, set_role
from workers.status import QueueStatus, queue_status
from workers.submission import Submission
from workers.turn import end_turn, forbid_pause
from workers.writes import Kind, Outcome, Result, Write

__all__ = [
    # Writing and applying
    "Result",
    "Submission",
    "Write",
    "WriteFunction",
    "conflict_of",
    "submit",
    "user_id",
    "write_function",
    # What became of a write
    "Kind",
    "Outcome",
    # How the write path is doing
    "QueueStatus",
    "queue_status",
    "store_problem",
    # Roles, and a command's turn at writing
    "Role",
    "current_role",
    "end_turn",
    "forbid_pause",
    "set_role",
    # Calls that block, beside the event loop
    "Busy",
    "Lane",
    # Errors
    "AcceptanceUnknown",
    "FileArgument",
    "KeyInProgress",
    "KeyReused",
    "LeaseUnavailable",
    "NotAccepted",
    "QueueUnavailable",
    "StoreNotReady",
    "StreamFull",
    "StreamOfAnotherStore",
    "UnfitArgument",
    "UnknownWriteFunction",
    "UnsupportedArgument",
    "WriteOutsideWriter",
    "WritePathError",
    "WriteRejected",
    "WrongStore",
    "is_cut_off",
    "is_requests_fault",
    "is_stores_fault",
]
