"""Who may do what: the one place where it is written down for tests.

A table, view, column or function that is not in here fails the matrix, and so does a privilege that is not.
"""

VERBS = ("select", "insert", "update", "delete", "truncate")

# What a role may do with a table or view; `own` says that a user sees the rows that are the user's, `all` every row.
RELATIONS: dict[str, dict[str, dict[str, str]]] = {
    "portal_schemas": {
        "authenticated": {"select": "all"},
        "service_role": {"select": "all"},
    },
    "portal_aliases": {
        "authenticated": {"select": "all"},
        "service_role": {"select": "all"},
    },
    "uploads": {
        "authenticated": {"select": "own"},
        "service_role": {"select": "all", "insert": "yes", "update": "yes", "delete": "yes"},
    },
    "jobs": {
        "authenticated": {"select": "own"},
        "service_role": {"select": "all", "insert": "yes", "update": "yes"},
    },
    "queue": {"service_role": {"select": "all", "insert": "yes", "update": "yes", "delete": "yes"}},
    "documents": {
        "authenticated": {"select": "own"},
        "service_role": {"select": "all", "insert": "yes", "delete": "yes"},
    },
    "user_credits": {
        "authenticated": {"select": "own"},
        "service_role": {"select": "all", "insert": "yes", "update": "yes"},
    },
    "credit_ledger": {
        "authenticated": {"select": "own"},
        "service_role": {"select": "all", "insert": "yes"},
    },
    "cpu_usage": {"service_role": {"select": "all", "insert": "yes"}},
    "metrics": {"service_role": {"select": "all", "insert": "yes", "delete": "yes"}},
    "counters": {"service_role": {"select": "all", "insert": "yes", "update": "yes"}},
    "removals": {"service_role": {"select": "all", "insert": "yes", "update": "yes", "delete": "yes"}},
    "job_lines": {"authenticated": {"select": "own"}},
}

# Columns that a user may not read although other columns of the table may be read.
HIDDEN_COLUMNS: dict[str, set[str]] = {
    "uploads": {"kid", "wrapped_key"},
    "jobs": {
        "wrapped_key",
        "input_kid",
        "input_wrapped_key",
        "idempotency_key",
        "request_hash",
        "submitted_at",
        "executor",
        "executor_ref",
        "claim",
        "claim_until",
        "packaging_failures",
    },
}
READABLE_COLUMNS: dict[str, set[str]] = {
    "portal_schemas": {"portal", "slot", "version", "name", "schema_definition", "is_current", "created_at"},
    "portal_aliases": {"alias", "portal"},
    "uploads": {"job_id", "user_id", "raw_path", "mime_type", "size_bytes", "created_at", "claimed_at", "claimed_by"},
    "jobs": {
        "id",
        "user_id",
        "status",
        "stage",
        "attempt",
        "portal",
        "slot",
        "portal_version",
        "document_id",
        "raw_path",
        "artifact_url",
        "mime_type",
        "original_filename",
        "options",
        "kid",
        "dispatched_at",
        "started_at",
        "lease_until",
        "awaiting_dispatch",
        "not_before",
        "quality_score",
        "conforms",
        "warnings",
        "artifacts",
        "metrics",
        "receipt",
        "error_details",
        "ended_at",
        "erased_at",
        "row_version",
        "created_at",
        "updated_at",
        "advice",
        "raw_paths",
    },
    "documents": {"document_id", "user_id", "job_id", "portal", "slot", "created_at"},
    "user_credits": {"user_id", "balance", "reserved", "opened_at", "updated_at"},
    "credit_ledger": {"id", "user_id", "job_id", "kind", "amount", "created_at"},
    "job_lines": {
        "job_id",
        "user_id",
        "status",
        "stage",
        "attempt",
        "portal",
        "slot",
        "portal_version",
        "quality_score",
        "conforms",
        "error_code",
        "created_at",
    },
}

# Who may execute a function; a function that only triggers run is nobody's.
USERS = {"authenticated"}
SERVICE = {"service_role"}
FUNCTIONS: dict[str, set[str]] = {
    # the port
    "account_open": SERVICE,
    "credits_grant": SERVICE,
    "database_health": SERVICE,
    "job_claim_settlement": SERVICE,
    "job_create": SERVICE,
    "job_delete": SERVICE,
    "job_erase": SERVICE,
    "job_extend": SERVICE,
    "job_fail_attempt": SERVICE,
    "job_finish": SERVICE,
    "job_get": USERS,
    "job_inspect": SERVICE,
    "job_end": SERVICE,
    "job_retry_now": SERVICE,
    "removal_done": SERVICE,
    "job_key": SERVICE,
    "job_progress": SERVICE,
    "job_release_settlement": SERVICE,
    "job_submitted": SERVICE,
    "jobs_list": USERS,
    "jobs_search": SERVICE,
    "jobs_tick": SERVICE,
    "metrics_snapshot": SERVICE,
    "upload_create": SERVICE,
    "upload_get": SERVICE,
    # their parts
    "account_of": SERVICE,
    "bucket_of": SERVICE,
    "counter_add": SERVICE,
    "counters_add_stages": SERVICE,
    "credits_add": SERVICE,
    "credits_open": SERVICE,
    "instant": USERS | SERVICE,
    "job_ended": SERVICE,
    "place_held": SERVICE,
    "removal_add": SERVICE,
    "removal_next": SERVICE,
    "job_fail": SERVICE,
    "job_for_operator": SERVICE,
    "job_measured": SERVICE,
    "job_replay": SERVICE,
    "job_retry": SERVICE,
    "job_standing": SERVICE,
    "job_start": SERVICE,
    "job_started": SERVICE,
    "job_storage_keys": SERVICE,
    "jobs_start_next": SERVICE,
    "jobs_sweep": SERVICE,
    "key_id": SERVICE,
    "options_refused": SERVICE,
    "ms_between": SERVICE,
    "purge": SERVICE,
    "queue_lock": SERVICE,
    "queue_state": USERS,
    "report_refused": SERVICE,
    "stage_times": SERVICE,
    "upload_document": SERVICE,
    "whole_ms": SERVICE,
    # triggers
    "credit_ledger_sums": set(),
    "jobs_guard": set(),
    "jobs_queue": set(),
    "refuse_change": set(),
}

# The one function that sees past RLS; it tells the owner of a waiting job a place and a yes or no.
SECURITY_DEFINERS = {"queue_state"}
