"""What the use cases need from outside: a database, an object store, an executor, a clock.

Rows are what the SQL functions answer (`infra/database/migrations`), as frozen models: no dict travels further. Every
function answers one JSON document with an `outcome`; expected refusals are outcomes, never exceptions.

The errors are drawn in `faults`; an object store's in `contracts.store_errors`.

Source: docs/specification/database.md, docs/specification/executors.md.
"""

from typing import TYPE_CHECKING

from rythmiq.on_demand import names_of

if TYPE_CHECKING:
    from rythmiq.ports.accounts import Account, Entry
    from rythmiq.ports.caller import Caller
    from rythmiq.ports.clock import Clock
    from rythmiq.ports.database import Capacity, Database, Finish, NewJob
    from rythmiq.ports.executor import Executor, ExecutorCapabilities, ExecutorState, Order
    from rythmiq.ports.faults import (
        DatabaseFaultError,
        DatabaseNotReadyError,
        DatabaseUnavailableError,
        ExecutorRejectedError,
        ExecutorUnclearError,
        UnavailableError,
    )
    from rythmiq.ports.jobs import (
        Deletion,
        Ended,
        JobCreated,
        JobListRow,
        JobRow,
        OperatorJob,
        OverdueJob,
        RefusedOption,
        Removal,
        SettlementClaim,
        SettlingJob,
        StartedJob,
        TickWork,
        WrappedDataKey,
    )
    from rythmiq.ports.store import SEALED_TYPE, ObjectStore, PresignedUpload, SigningStore
    from rythmiq.ports.uploads import Upload, UploadAnswer

__all__ = [
    "SEALED_TYPE",
    "Account",
    "Caller",
    "Capacity",
    "Clock",
    "Database",
    "DatabaseFaultError",
    "DatabaseNotReadyError",
    "DatabaseUnavailableError",
    "Deletion",
    "Ended",
    "Entry",
    "Executor",
    "ExecutorCapabilities",
    "ExecutorRejectedError",
    "ExecutorState",
    "ExecutorUnclearError",
    "Finish",
    "JobCreated",
    "JobListRow",
    "JobRow",
    "NewJob",
    "ObjectStore",
    "OperatorJob",
    "Order",
    "OverdueJob",
    "PresignedUpload",
    "RefusedOption",
    "Removal",
    "SettlementClaim",
    "SettlingJob",
    "SigningStore",
    "StartedJob",
    "TickWork",
    "UnavailableError",
    "Upload",
    "UploadAnswer",
    "WrappedDataKey",
]

__getattr__ = names_of(
    __name__,
    {
        "accounts": (*("Account", "Entry"),),
        "caller": (*("Caller",),),
        "clock": (*("Clock",),),
        "database": (*("Capacity", "Database", "Finish", "NewJob"),),
        "executor": (*("Executor", "ExecutorCapabilities", "ExecutorState", "Order"),),
        "faults": (
            *("DatabaseFaultError", "DatabaseNotReadyError", "DatabaseUnavailableError", "ExecutorRejectedError"),
            *("ExecutorUnclearError", "UnavailableError"),
        ),
        "jobs": (
            *("Deletion", "Ended", "JobCreated", "JobListRow", "JobRow", "OperatorJob", "OverdueJob"),
            *("RefusedOption", "Removal", "SettlementClaim", "SettlingJob", "StartedJob", "TickWork", "WrappedDataKey"),
        ),
        "store": (*("ObjectStore", "PresignedUpload", "SEALED_TYPE", "SigningStore"),),
        "uploads": (*("Upload", "UploadAnswer"),),
    },
)
