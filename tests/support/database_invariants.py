"""What must be true of the database whatever was called, in whatever order."""

from typing import Any, LiteralString

import psycopg

INVARIANTS: dict[str, LiteralString] = {
    "a balance is the sum of the user's entries": """
        select user_id from public.user_credits c
        where balance <> (select coalesce(sum(amount), 0) from public.credit_ledger l where l.user_id = c.user_id)
    """,
    "what is reserved are the open reserves": """
        select user_id from public.user_credits c where reserved <> (
          select count(*) filter (where kind = 'reserve') - count(*) filter (where kind in ('settle', 'refund'))
          from public.credit_ledger l where l.user_id = c.user_id
        )
    """,
    "whoever has entries has credits": """
        select user_id from public.credit_ledger except select user_id from public.user_credits
    """,
    "a job has one reserve, of its own user": """
        select j.id from public.jobs j
        where (select count(*) from public.credit_ledger l
               where l.job_id = j.id and l.kind = 'reserve' and l.user_id = j.user_id) <> 1
    """,
    "a completed job is settled, a failed one refunded or settled, an open one neither": """
        select j.id from public.jobs j
        where (select array_agg(kind) from public.credit_ledger l
               where l.job_id = j.id and kind in ('settle', 'refund'))
          is distinct from (case
            when status = 'completed' then array['settle']
            when status = 'failed' then array[case
              when exists (select from public.credit_ledger l where l.job_id = j.id and kind = 'settle')
              then 'settle' else 'refund' end]
          end)
    """,
    "a charged failure is counted": """
        select 1 where (
          select count(*) from public.jobs j join public.credit_ledger l on l.job_id = j.id and l.kind = 'settle'
          where j.status = 'failed'
        ) <> coalesce((select sum(value) from public.counters where name = 'failures_charged'), 0)
    """,
    "a completed job has one document until it is erased, and no other has any": """
        select j.id from public.jobs j
        where (select count(*) from public.documents d where d.job_id = j.id)
          <> (case when status = 'completed' and erased_at is null then 1 else 0 end)
    """,
    "a job is leased exactly while it is in flight": """
        select id from public.jobs
        where (lease_until is not null) <> (status = 'processing' and not awaiting_dispatch)
    """,
    "a job waits for an attempt only while it is processing, and knows until when": """
        select id from public.jobs
        where awaiting_dispatch <> (not_before is not null) or (awaiting_dispatch and status <> 'processing')
    """,
    "a pending job has no attempt, and a started one has one": """
        select id from public.jobs
        where (status = 'pending' and attempt <> 0) or (status = 'processing' and attempt < 1)
    """,
    "a job has ended exactly when it is terminal": """
        select id from public.jobs where (ended_at is not null) <> (status in ('completed', 'failed'))
    """,
    "only a processing job is claimed": """
        select id from public.jobs where claim is not null and status <> 'processing'
    """,
    "a failed job says why": """
        select id from public.jobs where status = 'failed' and error_details ->> 'code' is null
    """,
    "the queue is what is going on": """
        with wanted as (
          select id, user_id, created_at, state, case state when 'in_flight' then lease_until else not_before end,
            attempt > 1, case state when 'pending' then created_at when 'awaiting' then not_before end
          from public.jobs cross join lateral (select case
            when status = 'pending' then 'pending' when awaiting_dispatch then 'awaiting' else 'in_flight'
          end) s (state)
          where status in ('pending', 'processing')
        ), kept as (
          select job_id, user_id, created_at, state, due_at, is_retry, waits_from from public.queue
        )
        (table wanted except table kept) union all (table kept except table wanted)
    """,
    "jobs that ended are counted": """
        select c.status from (values ('completed'), ('failed')) c (status)
        where (select count(*) from public.jobs j where j.status = c.status)
          <> coalesce((select value from public.counters where name = 'jobs_ended' and label = c.status), 0)
    """,
    "an upload is claimed exactly when its job is there": """
        select u.job_id from public.uploads u
        where (claimed_at is not null) <> exists (select from public.jobs j where j.id = u.job_id)
    """,
}


_QUERY = " union all ".join(
    f"select '{sentence.replace(chr(39), chr(39) * 2)}' where exists ({query})"
    for sentence, query in INVARIANTS.items()
).encode()


def broken_invariants(connection: psycopg.Connection[Any]) -> list[str]:
    """The sentences that do not hold."""
    return [sentence for (sentence,) in connection.execute(_QUERY)]
