-- The tables (SPEC 8). A user is the `sub` of a verified JWT and nothing more: no table refers to auth.users, so that
-- an account can be deleted there without touching what was charged here.

-- The rules of one slot of one portal, versioned. Old versions stay, because jobs are pinned to theirs.
create table public.portal_schemas (
  portal text not null,
  slot text not null,
  version text not null,
  name text not null,
  schema_definition jsonb not null,
  is_current boolean not null default true,
  created_at timestamptz not null default now(),
  primary key (portal, slot, version)
);
create unique index portal_schemas_current on public.portal_schemas (portal, slot) where is_current;

-- What POST /uploads signed. `size_bytes` is the plaintext's; `kid` and `wrapped_key` are null for a plaintext upload.
create table public.uploads (
  job_id uuid primary key,
  user_id uuid not null,
  raw_path text not null,
  mime_type text not null,
  size_bytes bigint not null check (size_bytes > 0),
  kid integer check (kid between 1 and 65535),
  wrapped_key text,
  created_at timestamptz not null default now(),
  claimed_at timestamptz,
  check ((kid is null) = (wrapped_key is null)),
  check (starts_with(raw_path, 'raw/' || user_id::text || '/' || job_id::text || '/'))
);
create index uploads_of_user on public.uploads (user_id, created_at desc);
create index uploads_unclaimed on public.uploads (created_at) where claimed_at is null;

-- pending    -> processing   job_start: the first attempt has room (a cancelled job passes through in one transaction)
-- processing -> completed    job_finish
-- processing -> failed       job_fail_attempt, job_delete
-- A processing job that waits for its next attempt has `awaiting_dispatch` and is due at `not_before`; it holds no
-- lease and is not in flight. A terminal job changes once more at most: by erasure.
create table public.jobs (
  id uuid primary key,
  user_id uuid not null,
  status text not null default 'pending' check (status in ('pending', 'processing', 'completed', 'failed')),
  stage text,
  attempt integer not null default 0 check (attempt >= 0),
  portal text not null,
  slot text not null,
  portal_version text not null,
  document_id uuid not null,
  -- the request
  raw_path text,
  artifact_url text,
  mime_type text,
  original_filename text,
  options jsonb not null default '{}',
  idempotency_key text,
  request_hash text not null,
  -- the keys: `input_*` when the source is sealed under another key than the job's own (a master)
  kid integer check (kid between 1 and 65535),
  wrapped_key text,
  input_kid integer check (input_kid between 1 and 65535),
  input_wrapped_key text,
  -- the present attempt; `dispatched_at` is the first start of all, so that a repeat writes the same names
  dispatched_at timestamptz,
  started_at timestamptz,
  submitted_at timestamptz,
  executor text,
  executor_ref text,
  lease_until timestamptz,
  awaiting_dispatch boolean not null default false,
  not_before timestamptz,
  -- who settles it just now
  claim uuid,
  claim_until timestamptz,
  packaging_failures integer not null default 0,
  -- the end
  quality_score double precision,
  conforms boolean,
  warnings jsonb not null default '[]',
  artifacts jsonb,
  metrics jsonb,
  receipt jsonb,
  error_details jsonb,
  ended_at timestamptz,
  erased_at timestamptz,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (portal, slot, portal_version) references public.portal_schemas (portal, slot, version),
  check ((kid is null) = (wrapped_key is null)),
  check ((input_kid is null) = (input_wrapped_key is null)),
  constraint jobs_one_source check (num_nonnulls(raw_path, artifact_url) = 1 or erased_at is not null)
) with (fillfactor = 80);
create unique index jobs_idempotency on public.jobs (user_id, idempotency_key) where idempotency_key is not null;
-- a user's list, whole and by status
create index jobs_of_user on public.jobs (user_id, created_at desc, id desc) where erased_at is null;
create index jobs_of_user_by_status on public.jobs (user_id, status, created_at desc, id desc)
  where erased_at is null;
-- an operator's list
create index jobs_by_age on public.jobs (created_at desc, id desc);

-- The jobs that are going on, kept by a trigger of `jobs`: pending, in flight until `due_at` (`lease_until`), or awaiting
-- their next attempt at `due_at` (`not_before`). A small table of its own, because what is looked at first in a queue is
-- what left it last: its dead entries must be vacuumed every minute, which in `jobs` would cost a pass over all indexes.
create table public.queue (
  job_id uuid primary key,
  user_id uuid not null,
  created_at timestamptz not null,
  state text not null check (state in ('pending', 'in_flight', 'awaiting')),
  due_at timestamptz
) with (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 500, vacuum_truncate = off
);
create index queue_pending on public.queue (created_at, job_id, user_id) where state = 'pending';
create index queue_due on public.queue (state, due_at, user_id) where state <> 'pending';
create index queue_of_user on public.queue (user_id, created_at, job_id);

-- The masters that a user may make further jobs from.
create table public.documents (
  document_id uuid primary key,
  user_id uuid not null,
  job_id uuid not null unique references public.jobs (id),
  portal text not null,
  slot text not null,
  created_at timestamptz not null default now()
);
create index documents_of_user on public.documents (user_id, created_at desc);

-- grant +n | reserve -1 | settle 0 | refund +1. One reserve a job, and one settle or refund when it has ended.
create table public.credit_ledger (
  id bigint generated always as identity primary key,
  user_id uuid not null,
  job_id uuid references public.jobs (id),
  kind text not null,
  amount integer not null,
  created_at timestamptz not null default now(),
  unique (job_id, kind),
  constraint credit_ledger_amount check (
    (kind = 'grant' and amount > 0 and job_id is null)
    or (kind = 'reserve' and amount = -1 and job_id is not null)
    or (kind = 'settle' and amount = 0 and job_id is not null)
    or (kind = 'refund' and amount = 1 and job_id is not null)
  )
);
create unique index credit_ledger_one_end on public.credit_ledger (job_id) where kind in ('settle', 'refund');
create index credit_ledger_of_user on public.credit_ledger (user_id, id desc);

-- The ledger summed up, kept by its trigger alone: `balance` = sum(amount), `reserved` = open reserves.
-- `opened_at` is the user's first call, at which INITIAL_CREDITS were granted.
create table public.user_credits (
  user_id uuid primary key,
  balance integer not null default 0 check (balance >= 0),
  reserved integer not null default 0 check (reserved >= 0),
  opened_at timestamptz,
  updated_at timestamptz not null default now()
) with (fillfactor = 80);

-- CPU time of each stage of each attempt, for good.
create table public.cpu_usage (
  job_id uuid not null references public.jobs (id),
  attempt integer not null,
  stage text not null,
  cpu_ms bigint not null check (cpu_ms >= 0),
  created_at timestamptz not null default now(),
  primary key (job_id, attempt, stage)
);

-- What was measured of a job, for 90 days. Ids grow with time: the oldest rows are the first of the primary key.
create table public.metrics (
  id bigint generated always as identity primary key,
  job_id uuid not null,
  attempt integer not null,
  name text not null,
  value double precision not null,
  created_at timestamptz not null default now()
);
create index metrics_of_job on public.metrics (job_id);

-- Storage keys under which a worker that nobody waits for any more may still have written something: the master of a job
-- that failed, whatever stands of a job that was erased. A tick removes them an hour after the end, the dispatch objects
-- among them, so that nothing of it starts any more; and once more an hour later, when nothing of it can be running.
create table public.removals (
  job_id uuid primary key,
  keys jsonb not null,
  due_at timestamptz not null,
  is_last boolean not null default false
);
create index removals_due on public.removals (due_at);

-- Sums that only grow, so that nothing has to count jobs. Never purged; room for updates in place.
create table public.counters (
  name text not null,
  label text not null default '',
  value bigint not null,
  primary key (name, label)
) with (fillfactor = 50);
