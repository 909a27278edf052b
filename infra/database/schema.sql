-- The declared schema: what the migrations come to, without the rule book's rows. A migration that changes something
-- changes it here too, in place; tests/integration/test_database_schema.py holds the two together. Never applied to a
-- database that is kept.

-- tables --------------------------------------------------------------------------------------------------------------

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

-- Names that lead to the newest version of a portal; the seed writes them.
create table public.portal_aliases (
  alias text primary key,
  portal text not null
);

-- The rules that jobs were created with, each once: `hash` is the SHA-256 of the portal's name and the definition.
create table public.rules (
  hash bytea primary key,
  portal_name text not null,
  schema_definition jsonb not null
);

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
  claimed_by uuid,  -- the job: its own id's, or of several uploads the first one's
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
  -- what `warnings` say as codes and parameters, in their order; of the end, too
  advice jsonb not null default '[]',
  -- the request: uploads in their order, in place of `raw_path`
  raw_paths jsonb,
  -- the rules of all attempts; null of what had ended before there was this column
  rules_hash bytea references public.rules (hash),
  -- SHA-256 of preview, document, text, master and ZIP as they were made
  hashes jsonb,
  foreign key (portal, slot, portal_version) references public.portal_schemas (portal, slot, version),
  check ((kid is null) = (wrapped_key is null)),
  check ((input_kid is null) = (input_wrapped_key is null)),
  constraint jobs_one_source
    check (num_nonnulls(raw_path, raw_paths, artifact_url) = 1 or erased_at is not null)
) with (fillfactor = 80);
create unique index jobs_idempotency on public.jobs (user_id, idempotency_key) where idempotency_key is not null;
-- a user's list, whole and by status
create index jobs_of_user on public.jobs (user_id, created_at desc, id desc) where erased_at is null;
create index jobs_of_user_by_status on public.jobs (user_id, status, created_at desc, id desc)
  where erased_at is null;
-- what is left to be moved of an account; the others are in `jobs_of_user`
create index jobs_erased_of_user on public.jobs (user_id) where erased_at is not null;
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
  due_at timestamptz,
  is_retry boolean not null default false,  -- an attempt after the first
  waits_from timestamptz  -- who waits to be started: a first attempt since its creation, a retry since it is due
) with (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 500, vacuum_truncate = off
);
create index queue_waiting on public.queue (waits_from, job_id, user_id, is_retry) where waits_from is not null;
create index queue_due on public.queue (state, due_at, user_id, is_retry) where state <> 'pending';
create index queue_of_user on public.queue (user_id, waits_from, job_id, is_retry);

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
  ),
  granted_as text check (granted_as is null or kind = 'grant')  -- what each user gets once: initial, guest, linked
);
create unique index credit_ledger_once on public.credit_ledger (user_id, granted_as) where granted_as is not null;
create unique index credit_ledger_one_end on public.credit_ledger (job_id) where kind in ('settle', 'refund');
create index credit_ledger_of_user on public.credit_ledger (user_id, id desc);

-- The ledger summed up, kept by its trigger alone: `balance` = sum(amount), `reserved` = open reserves.
-- `opened_at` is the user's first call, at which INITIAL_CREDITS were granted. What is limited by the day (UTC) is counted
-- beside them, for `usage_day`: `failures_today` are the jobs that failed of what was uploaded, `bytes_today` what was
-- announced. `posts_until` is when the user's bucket of calls is full again, `polls` until when each place is taken in which
-- a poll waits. `is_guest`: opened by an anonymous user, who has not signed in by more than that since.
create table public.user_credits (
  user_id uuid primary key,
  balance integer not null default 0 check (balance >= 0),
  reserved integer not null default 0 check (reserved >= 0),
  opened_at timestamptz,
  updated_at timestamptz not null default now(),
  usage_day date,
  failures_today integer not null default 0 check (failures_today >= 0),
  bytes_today bigint not null default 0 check (bytes_today >= 0),
  posts_until timestamptz,
  polls timestamptz[] not null default '{}',
  is_guest boolean not null default false
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

-- What operators did to whom, for good: written by the functions that their commands call, in the same transaction. An
-- erased account's `user_id` is replaced here too.
create table public.operator_events (
  id bigint generated always as identity primary key,
  act text not null check (act ~ '^[a-z]+\.[a-z]+$'),
  actor text,  -- who, as the command says it: a login and a machine
  database_role text not null default session_user,
  user_id uuid,
  job_id uuid,
  details jsonb not null default '{}',
  created_at timestamptz not null
);

-- Whose account was erased, as an HMAC of the id that the account had, so that its tokens stay refused; and what was
-- erased, which is its owner's receipt.
create table public.erased_accounts (
  mac bytea primary key,
  receipt_id uuid not null unique,
  jobs integer not null,
  uploads integer not null,
  objects integer not null,
  erased_at timestamptz not null
);

-- The key of these HMACs, made at the first erasure. No role of the API reads it.
create table public.account_key (
  is_only boolean primary key default true check (is_only),
  key bytea not null
);

-- Accounts whose erasure has begun and goes on. Gone when it has ended; until then their rows have the old id.
create table public.erasures (
  user_id uuid primary key,
  other_id uuid not null unique default gen_random_uuid(),
  due_at timestamptz not null
);
create index erasures_due on public.erasures (due_at);

-- guards --------------------------------------------------------------------------------------------------------------

-- What holds whoever writes: the state machine, what is append-only, and credits that follow the ledger.

-- The present instant. Everything asks here, so that a test can set the clock of its own database.
create function public.instant() returns timestamptz
language sql stable set search_path = '' as $$ select pg_catalog.now() $$;

-- Keeps the rules of a slot as they are now, under their hash; null when there is no such slot. Equal rules are kept once.
create function public.rules_keep(p_portal text, p_slot text, p_version text) returns bytea
language plpgsql set search_path = '' as $$
declare
  v_slot public.portal_schemas;
  v_hash bytea;
begin
  select * into v_slot from public.portal_schemas where portal = p_portal and slot = p_slot and version = p_version;
  if v_slot.portal is null then
    return null;
  end if;
  v_hash := sha256(convert_to(jsonb_build_array(v_slot.name, v_slot.schema_definition)::text, 'UTF8'));
  insert into public.rules (hash, portal_name, schema_definition) values (v_hash, v_slot.name, v_slot.schema_definition)
    on conflict do nothing;
  return v_hash;
end $$;

create function public.jobs_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
  -- what erasure may take away; everything else of a terminal job stays as it is
  c_erasable constant text[] := array[
    'raw_path', 'raw_paths', 'artifact_url', 'mime_type', 'original_filename', 'options', 'kid', 'wrapped_key',
    'input_kid', 'input_wrapped_key', 'quality_score', 'conforms', 'warnings', 'advice', 'artifacts', 'hashes',
    'metrics', 'receipt', 'error_details', 'executor_ref', 'erased_at', 'row_version', 'updated_at'
  ];
  c_wrapped constant text[] := array['kid', 'wrapped_key', 'input_kid', 'input_wrapped_key'];
  -- what the erasure of an account takes away besides, from a job that is erased
  c_owners constant text[] := array['user_id', 'idempotency_key', 'request_hash', 'executor_ref'];
begin
  if tg_op = 'INSERT' then
    if new.status <> 'pending' or new.attempt <> 0 then
      raise exception 'a job starts as pending, before its first attempt' using errcode = 'check_violation';
    end if;
    new.rules_hash := public.rules_keep(new.portal, new.slot, new.portal_version);
    new.request_hash := split_part(new.request_hash, ' ', 1);  -- by the current key
    return new;
  end if;
  if old.status in ('completed', 'failed') then
    -- `rythmiq keys rotate` wraps the same data keys under another key, and touches nothing else
    if current_setting('rythmiq.rotation', true) = 'on'
      and to_jsonb(new) - c_wrapped = to_jsonb(old) - c_wrapped
      and (new.kid is null, new.input_kid is null) = (old.kid is null, old.input_kid is null)
    then
      return new;
    end if;
    if old.erased_at is not null
      and current_setting('rythmiq.forgotten', true) = old.user_id::text
      and to_jsonb(new) - c_owners = to_jsonb(old) - c_owners
      and current_user = pg_get_userbyid((select relowner from pg_class where oid = tg_relid))
    then
      return new;
    end if;
    if old.erased_at is not null or new.erased_at is null
      or to_jsonb(new) - c_erasable is distinct from to_jsonb(old) - c_erasable
      or coalesce(
        new.raw_path, new.raw_paths::text, new.artifact_url, new.original_filename, new.wrapped_key,
        new.input_wrapped_key, new.artifacts::text, new.receipt::text
      ) is not null
    then
      raise exception 'a % job changes by erasure only, and once', old.status using errcode = 'check_violation';
    end if;
  else
    if new.status <> old.status
      and (old.status, new.status) not in (
        ('pending', 'processing'), ('processing', 'completed'), ('processing', 'failed')
      )
    then
      raise exception 'a job does not go from % to %', old.status, new.status using errcode = 'check_violation';
    end if;
    if new.erased_at is not null then
      raise exception 'a % job cannot be erased', new.status using errcode = 'check_violation';
    end if;
    if new.attempt < old.attempt then
      raise exception 'the attempt of a job never falls' using errcode = 'check_violation';
    end if;
    if (new.id, new.user_id, new.document_id, new.portal, new.slot, new.portal_version, new.rules_hash, new.created_at)
      is distinct from
      (old.id, old.user_id, old.document_id, old.portal, old.slot, old.portal_version, old.rules_hash, old.created_at)
    then
      raise exception 'whose job it is, and what for, is fixed' using errcode = 'check_violation';
    end if;
  end if;
  new.row_version := old.row_version + 1;
  new.updated_at := public.instant();
  return new;
end $$;
create trigger jobs_guard before insert or update on public.jobs for each row execute function public.jobs_guard();

-- `queue` is what `jobs` says is going on, whoever writes `jobs`.
create function public.jobs_queue() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_state constant text := case
    when new.status = 'pending' then 'pending' when new.awaiting_dispatch then 'awaiting' else 'in_flight'
  end;
  v_due_at constant timestamptz := case v_state
    when 'awaiting' then new.not_before when 'in_flight' then new.lease_until
  end;
  v_waits_from constant timestamptz := case v_state
    when 'pending' then new.created_at when 'awaiting' then new.not_before
  end;
begin
  if tg_op = 'INSERT' then
    insert into public.queue (job_id, user_id, created_at, state, due_at, is_retry, waits_from)
    values (new.id, new.user_id, new.created_at, v_state, v_due_at, new.attempt > 1, v_waits_from);
  elsif new.status in ('completed', 'failed') then
    delete from public.queue where job_id = new.id;
  else
    update public.queue set state = v_state, due_at = v_due_at, is_retry = new.attempt > 1, waits_from = v_waits_from
    where job_id = new.id and (state, due_at, is_retry) is distinct from (v_state, v_due_at, new.attempt > 1);
  end if;
  return null;
end $$;
create trigger jobs_queue after insert or update of status, awaiting_dispatch, lease_until, not_before on public.jobs
  for each row execute function public.jobs_queue();

-- The results of a job that has ended are removed by the API at once. A launcher that was slow may store one again for as
-- long as its token holds, a day: so once more then. The row goes by the document's id, beside what a failure leaves.
create function public.jobs_results() returns trigger
language plpgsql set search_path = '' as $$
begin
  insert into public.removals (job_id, keys, due_at, is_last)
  select new.document_id, jsonb_agg('output/' || new.user_id || '/' || new.id || '/result-a' || attempt || '.json.enc'),
    public.instant() + interval '24 hours 10 minutes', true
  from generate_series(1, new.attempt) attempt
  on conflict do nothing;
  return null;
end $$;
revoke all on function public.jobs_results() from public, anon, authenticated, service_role;
create trigger jobs_results after update of status on public.jobs
  for each row when (old.status = 'processing' and new.status in ('completed', 'failed') and new.attempt > 0)
  execute function public.jobs_results();

-- Append-only, but for the id of an erased account: `account_forget` and `account_erase_step` replace it, as the owner.
create function public.refuse_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE'
    and current_setting('rythmiq.forgotten', true) = to_jsonb(old) ->> 'user_id'
    and to_jsonb(new) - 'user_id' = to_jsonb(old) - 'user_id'
    and current_user = pg_get_userbyid((select relowner from pg_class where oid = tg_relid))
  then
    return new;
  end if;
  raise exception '% of % is refused', lower(tg_op), tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger jobs_kept before delete on public.jobs for each row execute function public.refuse_change();
create trigger jobs_not_truncated before truncate on public.jobs
  for each statement execute function public.refuse_change();
create trigger credit_ledger_append_only before update or delete on public.credit_ledger
  for each row execute function public.refuse_change();
create trigger credit_ledger_not_truncated before truncate on public.credit_ledger
  for each statement execute function public.refuse_change();
create trigger rules_kept before update or delete on public.rules
  for each row execute function public.refuse_change();
create trigger rules_not_truncated before truncate on public.rules
  for each statement execute function public.refuse_change();
create trigger cpu_usage_append_only before update or delete on public.cpu_usage
  for each row execute function public.refuse_change();
create trigger cpu_usage_not_truncated before truncate on public.cpu_usage
  for each statement execute function public.refuse_change();
create trigger operator_events_append_only before update or delete on public.operator_events
  for each row execute function public.refuse_change();
create trigger operator_events_not_truncated before truncate on public.operator_events
  for each statement execute function public.refuse_change();
create trigger erased_accounts_kept before update or delete on public.erased_accounts
  for each row execute function public.refuse_change();
create trigger erased_accounts_not_truncated before truncate on public.erased_accounts
  for each statement execute function public.refuse_change();
create trigger account_key_kept before update or delete on public.account_key
  for each row execute function public.refuse_change();
create trigger user_credits_not_truncated before truncate on public.user_credits
  for each statement execute function public.refuse_change();

-- An entry and what it does to the sums are one statement: they cannot disagree. The CHECKs refuse to overdraw.
create function public.credit_ledger_sums() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_reserved constant integer := case new.kind when 'reserve' then 1 when 'grant' then 0 else -1 end;
begin
  update public.user_credits
    set balance = balance + new.amount, reserved = reserved + v_reserved, updated_at = public.instant()
    where user_id = new.user_id;
  if not found then
    insert into public.user_credits (user_id, balance, reserved) values (new.user_id, new.amount, v_reserved);
  end if;
  return null;
end $$;
create trigger credit_ledger_sums after insert on public.credit_ledger
  for each row execute function public.credit_ledger_sums();

-- Sums that somebody sets by hand would no longer be the ledger's: only its trigger gets past these.
create trigger user_credits_start_empty before insert on public.user_credits
  for each row when (pg_trigger_depth() = 0 and (new.balance <> 0 or new.reserved <> 0))
  execute function public.refuse_change();
create trigger user_credits_follow before update on public.user_credits
  for each row when (
    pg_trigger_depth() = 0
    and (new.user_id, new.balance, new.reserved) is distinct from (old.user_id, old.balance, old.reserved)
  )
  execute function public.refuse_change();
create trigger user_credits_kept before delete on public.user_credits
  for each row execute function public.refuse_change();

revoke all on function
  public.instant(), public.rules_keep(text, text, text), public.jobs_guard(), public.jobs_queue(),
  public.refuse_change(), public.credit_ledger_sums()
  from public, anon, authenticated, service_role;
grant execute on function public.instant() to authenticated, service_role;
grant execute on function public.rules_keep(text, text, text) to service_role;

-- access --------------------------------------------------------------------------------------------------------------

-- Who sees and touches which table. Users see their own rows, without keys that the ring wrapped; nobody but
-- service_role writes, and it no more than the functions need. Older Supabase projects grant everything on a new table
-- by default: hence the revokes.
do $$
declare
  v_table text;
begin
  foreach v_table in array array[
    'portal_schemas', 'portal_aliases', 'uploads', 'jobs', 'queue', 'documents', 'credit_ledger', 'user_credits', 'cpu_usage',
    'metrics', 'counters', 'removals', 'rules', 'operator_events', 'erased_accounts', 'erasures',
    'account_key'
  ] loop
    execute format('alter table public.%I enable row level security', v_table);
    execute format('alter table public.%I force row level security', v_table);
    execute format('revoke all on table public.%I from public, anon, authenticated, service_role', v_table);
  end loop;
end $$;
revoke all on sequence public.credit_ledger_id_seq, public.metrics_id_seq, public.operator_events_id_seq
  from public, anon, authenticated, service_role;

create policy portal_schemas_are_public on public.portal_schemas for select to authenticated using (true);
create policy portal_aliases_are_public on public.portal_aliases for select to authenticated using (true);
-- Whether the caller's account is being erased: its rows are nobody's to read then.
create function public.caller_is_leaving() returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.erasures where user_id = auth.uid())
$$;
revoke all on function public.caller_is_leaving() from public, anon, authenticated, service_role;
grant execute on function public.caller_is_leaving() to authenticated;

create policy own_uploads on public.uploads for select to authenticated
  using (user_id = (select auth.uid()) and not (select public.caller_is_leaving()));
create policy own_jobs on public.jobs for select to authenticated
  using (user_id = (select auth.uid()) and not (select public.caller_is_leaving()));
create policy own_documents on public.documents for select to authenticated
  using (user_id = (select auth.uid()) and not (select public.caller_is_leaving()));
create policy own_ledger on public.credit_ledger for select to authenticated
  using (user_id = (select auth.uid()) and not (select public.caller_is_leaving()));
create policy own_credits on public.user_credits for select to authenticated using (user_id = (select auth.uid()));

grant select on public.portal_schemas, public.portal_aliases, public.documents, public.credit_ledger to authenticated;
grant select (user_id, balance, reserved, opened_at, updated_at) on public.user_credits to authenticated;
grant select (job_id, user_id, raw_path, mime_type, size_bytes, created_at, claimed_at, claimed_by)
  on public.uploads to authenticated;
grant select (
  id, user_id, status, stage, attempt, portal, slot, portal_version, document_id, raw_path, artifact_url, mime_type,
  original_filename, options, kid, dispatched_at, started_at, lease_until, awaiting_dispatch, not_before, quality_score,
  conforms, warnings, artifacts, metrics, receipt, error_details, ended_at, erased_at, row_version, created_at,
  updated_at, advice, raw_paths, hashes
) on public.jobs to authenticated;

grant select on public.portal_schemas, public.portal_aliases to service_role;
grant select, insert, update, delete on public.uploads to service_role;
grant select, insert, update on public.jobs to service_role;
grant select, insert, update, delete on public.queue to service_role;
grant select, insert, delete on public.documents to service_role;
grant select, insert on public.credit_ledger to service_role;
grant select, insert, update on public.user_credits to service_role;
grant select, insert on public.cpu_usage to service_role;
grant select, insert, delete on public.metrics to service_role;
grant select, insert, update on public.counters to service_role;
grant select, insert, update, delete on public.removals to service_role;
grant select, insert on public.rules to service_role;
grant select, insert on public.operator_events to service_role;
grant select on public.erased_accounts to service_role;
grant select on public.erasures to service_role;

-- What the owner makes later is nobody's until it is granted. Postgres lets everybody execute a new function, and older
-- Supabase projects grant everything on what is new in schema public.
alter default privileges revoke execute on functions from public;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;

-- counters ------------------------------------------------------------------------------------------------------------

-- The sums, and what is told to Prometheus and to /health.
--
-- Order of locks, everywhere: a job's row, its user's credits, the sum of credits granted, the queue (`queue_lock`),
-- all other sums. Who holds the queue waits for nobody but sums, and who counts outside the queue does so last.

create function public.counter_add(p_name text, p_label text, p_by bigint) returns void
language sql set search_path = '' as $$
  insert into public.counters as c (name, label, value) values (p_name, p_label, p_by)
  on conflict (name, label) do update set value = c.value + excluded.value
$$;

create function public.ms_between(p_from timestamptz, p_to timestamptz) returns bigint
language sql immutable set search_path = '' as $$ select round(extract(epoch from p_to - p_from) * 1000)::bigint $$;

-- How long a place in flight is held, lately: each one counts for an eighth of what is known after it.
create function public.place_held(p_from timestamptz) returns void
language sql set search_path = '' as $$
  insert into public.counters as c (name, label, value)
  select 'place_ms', 'lately', public.ms_between(p_from, public.instant()) where p_from is not null
  on conflict (name, label) do update set value = c.value + (excluded.value - c.value) / 8
$$;

create function public.whole_ms(p_ms numeric) returns bigint
language sql immutable set search_path = '' as $$
  select least(greatest(coalesce(p_ms, 0), 0), 1000000000)::bigint
$$;

create function public.bucket_of(p_ms bigint) returns text
language sql immutable set search_path = '' as $$
  select coalesce(
    (select min(b)::text from unnest(array[10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000]) b
     where b >= p_ms),
    'inf')
$$;

-- A worker's `metrics.stages` as rows, one a stage, with times that a bigint holds whatever the worker said.
create function public.stage_times(p_stages jsonb) returns table (stage text, wall_ms bigint, cpu_ms bigint)
language sql immutable set search_path = '' as $$
  select s.stage, sum(public.whole_ms(s.wall_ms))::bigint, sum(public.whole_ms(s.cpu_ms))::bigint
  from jsonb_to_recordset(case jsonb_typeof(p_stages) when 'array' then p_stages else '[]' end)
    s (stage text, wall_ms numeric, cpu_ms numeric)
  where s.stage is not null
  group by s.stage
$$;

-- Adds a worker's stage times to the histograms: `{stage}|{upper bound in ms}` counts, `{stage}|sum` adds up. In one
-- order, so that two never wait for each other.
create function public.counters_add_stages(p_stages jsonb) returns void
language sql set search_path = '' as $$
  insert into public.counters as c (name, label, value)
  select t.name, t.label, sum(t.value)
  from public.stage_times(p_stages) s
  cross join lateral (
    values
      ('stage_wall_ms', s.stage || '|' || public.bucket_of(s.wall_ms), 1::bigint),
      ('stage_wall_ms', s.stage || '|sum', s.wall_ms),
      ('stage_cpu_ms', s.stage || '|' || public.bucket_of(s.cpu_ms), 1),
      ('stage_cpu_ms', s.stage || '|sum', s.cpu_ms)
  ) t (name, label, value)
  group by t.name, t.label
  order by t.name, t.label
  on conflict (name, label) do update set value = c.value + excluded.value
$$;

-- Counts, ages and sums. It reads what is going on from the queue and the rest from the sums: never all jobs.
create function public.metrics_snapshot() returns jsonb
language sql stable set search_path = '' as $$
  with ended as (
    select
      coalesce(sum(value) filter (where name = 'jobs_ended' and label = 'completed'), 0) as completed,
      coalesce(sum(value) filter (where name = 'jobs_ended' and label = 'failed'), 0) as failed,
      coalesce(sum(value) filter (where name = 'failures_charged'), 0) as charged
    from public.counters where name in ('jobs_ended', 'failures_charged')
  )
  select jsonb_build_object(
    'jobs', jsonb_build_object(
      'pending', (select count(*) from public.queue where state = 'pending'),
      'processing', (select count(*) from public.queue where state <> 'pending'),
      'completed', (select completed from ended),
      'failed', (select failed from ended)
    ),
    'in_flight', (select count(*) from public.queue where state = 'in_flight'),
    'oldest_pending_s', (
      select extract(epoch from public.instant() - created_at)::double precision
      from public.queue where state = 'pending' and waits_from is not null order by waits_from, job_id limit 1
    ),
    'oldest_processing_s', (
      select extract(epoch from public.instant() - min(dispatched_at))::double precision
      from public.queue q join public.jobs j on j.id = q.job_id where q.state <> 'pending'
    ),
    'credits', jsonb_build_object(
      'granted', coalesce((select sum(value) from public.counters where name = 'credits_granted'), 0),
      'reserved', coalesce((select value from public.counters where name = 'jobs_created'), 0),
      'settled', (select completed + charged from ended),
      'refunded', (select failed - charged from ended)
    ),
    'counters', (
      select coalesce(jsonb_agg(jsonb_build_object('name', name, 'label', label, 'value', value) order by name, label),
                      '[]')
      from public.counters
    )
  )
$$;

-- Which migration is in, when one tool of ours applied it, and when the last tick ran.
create function public.database_health() returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_version integer;
begin
  if to_regclass('rythmiq_ops.rythmiq_migrations') is not null then
    execute 'select max(version) from rythmiq_ops.rythmiq_migrations' into v_version;
  end if;
  return jsonb_build_object(
    'schema_version', v_version,
    'last_tick_at', (
      select to_timestamp(value / 1000.0) from public.counters where name = 'last_tick_ms' and label = ''
    )
  );
end $$;

do $$ begin
  if to_regclass('rythmiq_ops.rythmiq_migrations') is not null then
    grant usage on schema rythmiq_ops to service_role;
    grant select on rythmiq_ops.rythmiq_migrations to service_role;
  end if;
end $$;

revoke all on function
  public.counter_add(text, text, bigint), public.counters_add_stages(jsonb), public.stage_times(jsonb),
  public.place_held(timestamptz), public.ms_between(timestamptz, timestamptz), public.whole_ms(numeric),
  public.bucket_of(bigint), public.metrics_snapshot(), public.database_health()
  from public, anon, authenticated;
grant execute on function
  public.counter_add(text, text, bigint), public.counters_add_stages(jsonb), public.stage_times(jsonb),
  public.place_held(timestamptz), public.ms_between(timestamptz, timestamptz), public.whole_ms(numeric),
  public.bucket_of(bigint), public.metrics_snapshot(), public.database_health()
  to service_role;

-- accounts ------------------------------------------------------------------------------------------------------------

-- Credits and uploads.

-- Locks a user's credits; at the first call that says how many, grants them. Who was a guest then and is none any more is
-- granted what a guest got less, once.
create function public.credits_open(p_user_id uuid, p_initial_credits integer, p_is_guest boolean default false)
returns void
language plpgsql set search_path = '' as $$
declare
  v_opened_at timestamptz;
  v_is_guest boolean;
  v_is_new boolean;
  v_amount integer := p_initial_credits;
  v_label text := case when p_is_guest then 'guest' else 'initial' end;
begin
  insert into public.user_credits (user_id) values (p_user_id) on conflict (user_id) do nothing;
  v_is_new := found;
  select opened_at, is_guest into v_opened_at, v_is_guest from public.user_credits
    where user_id = p_user_id for update;
  if v_is_new or not found then  -- an erased account has no row
    perform public.account_refuse_erased(p_user_id);
  end if;
  if p_initial_credits is null or (v_opened_at is not null and (p_is_guest or not v_is_guest)) then
    return;
  end if;
  if v_opened_at is not null then
    v_label := 'linked';
    v_amount := v_amount - coalesce(
      (select amount from public.credit_ledger where user_id = p_user_id and granted_as = 'guest'), 0
    );
  end if;
  update public.user_credits set opened_at = coalesce(opened_at, public.instant()), is_guest = p_is_guest
    where user_id = p_user_id;
  if v_amount > 0 then
    perform public.credits_add(p_user_id, v_amount, v_label);
  end if;
end $$;

-- Today, by which what is limited by the day is counted.
create function public.usage_today() returns date
language sql stable set search_path = '' as $$ select (public.instant() at time zone 'UTC')::date $$;

-- Counts a job that failed of its input; how many that are today, this one among them.
create function public.failure_add(p_user_id uuid) returns integer
language sql set search_path = '' as $$
  update public.user_credits set
    failures_today = case when usage_day = public.usage_today() then failures_today else 0 end + 1,
    bytes_today = case when usage_day = public.usage_today() then bytes_today else 0 end,
    usage_day = public.usage_today()
  where user_id = p_user_id
  returning failures_today
$$;

-- Counts bytes that a user announces, unless they would be more than `p_most` today; whether they are counted.
create function public.bytes_add(p_user_id uuid, p_bytes bigint, p_most bigint) returns boolean
language plpgsql set search_path = '' as $$
begin
  update public.user_credits set
    bytes_today = case when usage_day = public.usage_today() then bytes_today else 0 end + p_bytes,
    failures_today = case when usage_day = public.usage_today() then failures_today else 0 end,
    usage_day = public.usage_today()
  where user_id = p_user_id and (
    p_most is null or p_bytes + case when usage_day = public.usage_today() then bytes_today else 0 end <= p_most
  );
  return found;
end $$;

-- Takes a token of a user's bucket, which holds `p_burst` and gets `p_per_minute`: {rate: {is_admitted, remaining, reset_s,
-- retry_after_s}}, `reset_s` being until it is full. A call that is refused takes none. Without limits {}.
create function public.post_admit(p_user_id uuid, p_burst integer, p_per_minute integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := public.instant();
  v_token_s constant numeric := 60.0 / p_per_minute;
  v_full_s numeric;
  v_is_admitted boolean;
begin
  if p_burst is null or p_per_minute is null then
    return '{}';
  end if;
  select coalesce(greatest(extract(epoch from posts_until - v_now), 0), 0) into v_full_s
    from public.user_credits where user_id = p_user_id for update;
  if not found then
    perform public.credits_open(p_user_id, null);
    v_full_s := 0;
  end if;
  v_is_admitted := round(v_full_s / v_token_s, 3) + 1 <= p_burst;
  if v_is_admitted then
    v_full_s := v_full_s + v_token_s;
    update public.user_credits set posts_until = v_now + v_full_s * interval '1 second' where user_id = p_user_id;
  end if;
  return jsonb_build_object('rate', jsonb_build_object(
    'is_admitted', v_is_admitted,
    'remaining', greatest(floor(p_burst - round(v_full_s / v_token_s, 3)), 0),
    'reset_s', ceil(round(v_full_s, 3)),
    'retry_after_s', greatest(ceil(round(v_full_s - (p_burst - 1) * v_token_s, 3)), 1)
  ));
end $$;

create function public.credits_add(p_user_id uuid, p_amount integer, p_label text) returns void
language sql set search_path = '' as $$
  insert into public.credit_ledger (user_id, kind, amount, created_at, granted_as)
  values (p_user_id, 'grant', p_amount, public.instant(), nullif(p_label, 'operator'));
  select public.counter_add('credits_granted', p_label, p_amount)
$$;

-- Takes one of the `p_most` places in which a user's polls wait; until when it is taken, null when none is free. A place whose
-- holder died is free again then.
create function public.poll_enter(p_user_id uuid, p_seconds double precision, p_most integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := public.instant();
  v_until constant timestamptz := v_now + make_interval(secs => p_seconds);
begin
  update public.user_credits set polls = array(select until from unnest(polls) until where until > v_now) || v_until
    where user_id = p_user_id and (select count(*) from unnest(polls) until where until > v_now) < p_most;
  return case when found then to_jsonb(v_until) end;
end $$;

-- Gives a place back.
create function public.poll_leave(p_user_id uuid, p_until timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
begin
  update public.user_credits
    set polls = polls[:array_position(polls, p_until) - 1] || polls[array_position(polls, p_until) + 1:]
    where user_id = p_user_id and p_until = any (polls);
  return to_jsonb(found);
end $$;

create function public.account_of(p_user_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'balance', coalesce((select balance from public.user_credits where user_id = p_user_id), 0),
    'reserved', coalesce((select reserved from public.user_credits where user_id = p_user_id), 0),
    'entries', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'kind', e.kind, 'amount', e.amount, 'job_id', e.job_id, 'created_at', e.created_at) order by e.id desc), '[]')
      from (
        select id, kind, amount, job_id, created_at from public.credit_ledger
        where user_id = p_user_id order by id desc limit 50
      ) e
    )
  )
$$;

-- RFC 2104, since no extension is there to do it.
create function public.hmac_sha256(p_key bytea, p_message bytea) returns bytea
language plpgsql immutable set search_path = '' as $$
declare
  v_key constant bytea := case when length(p_key) > 64 then sha256(p_key) else p_key end;
  v_inner bytea := decode(repeat('36', 64), 'hex');
  v_outer bytea := decode(repeat('5c', 64), 'hex');
begin
  for i in 0 .. length(v_key) - 1 loop
    v_inner := set_byte(v_inner, i, get_byte(v_inner, i) # get_byte(v_key, i));
    v_outer := set_byte(v_outer, i, get_byte(v_outer, i) # get_byte(v_key, i));
  end loop;
  return sha256(v_outer || sha256(v_inner || p_message));
end $$;

-- Null as long as no account was erased.
create function public.account_mac(p_user_id uuid) returns bytea
language sql stable security definer set search_path = '' as $$
  select public.hmac_sha256(key, convert_to(p_user_id::text, 'UTF8')) from public.account_key where is_only
$$;

create function public.account_is_erased(p_user_id uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.erased_accounts where mac = public.account_mac(p_user_id))
$$;

-- Raised where an account has no row of what was asked for, so that others do not pay for it; SQLSTATE RY403 is
-- ACCOUNT_ERASED, whatever was called. An answer would have to be a new outcome of every function.
create function public.account_refuse_erased(p_user_id uuid) returns void
language plpgsql stable set search_path = '' as $$
begin
  if public.account_is_erased(p_user_id) then
    raise exception 'the account has been erased' using errcode = 'RY403';
  end if;
end $$;

-- The same for reads, which run in the caller's own role and learn of the caller alone. Null.
create function public.caller_refuse_erased() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform public.account_refuse_erased(auth.uid());
  return null;
end $$;

-- Credits and the latest 50 entries. An operator who looks grants nothing: `p_initial_credits` is null then.
create function public.account_open(p_user_id uuid, p_initial_credits integer, p_is_guest boolean default false)
returns jsonb
language plpgsql set search_path = '' as $$
begin
  if p_initial_credits is not null and not exists (
    select from public.user_credits where user_id = p_user_id and opened_at is not null and (p_is_guest or not is_guest)
  ) then
    perform public.credits_open(p_user_id, p_initial_credits, p_is_guest);
  end if;
  return public.account_of(p_user_id);
end $$;

create function public.credits_grant(p_user_id uuid, p_amount integer) returns jsonb
language plpgsql set search_path = '' as $$
begin
  perform public.credits_open(p_user_id, null);
  perform public.credits_add(p_user_id, p_amount, 'operator');
  return public.account_of(p_user_id);
end $$;

create function public.upload_document(p_upload public.uploads) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', p_upload.job_id, 'user_id', p_upload.user_id, 'raw_path', p_upload.raw_path,
    'mime_type', p_upload.mime_type, 'size_bytes', p_upload.size_bytes, 'kid', p_upload.kid,
    'wrapped_key', p_upload.wrapped_key, 'created_at', p_upload.created_at
  )
$$;

-- created, with the row; or what there is already, as `upload_get` has it; or too_many, so that nobody fills the store
-- with what no job claims: an unclaimed upload counts for a day; or daily_limit: all uploads count for their day (UTC); or
-- rate_limited, before all others. Where there are limits, `rate` says what is left.
create function public.upload_create(
  p_job_id uuid, p_user_id uuid, p_raw_path text, p_mime_type text, p_size_bytes bigint, p_kid integer,
  p_wrapped_key text, p_created_at timestamptz, p_initial_credits integer, p_rate_burst integer default null,
  p_rate_per_minute integer default null, p_max_bytes_a_day bigint default null, p_is_guest boolean default false
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_most_unclaimed constant integer := 100;
  v_upload public.uploads;
  v_rate jsonb;
begin
  perform public.credits_open(p_user_id, p_initial_credits, p_is_guest);  -- those who count, one after the other
  v_rate := public.post_admit(p_user_id, p_rate_burst, p_rate_per_minute);
  if v_rate #> '{rate,is_admitted}' = 'false' then
    return v_rate || jsonb_build_object('outcome', 'rate_limited', 'upload', null);
  end if;
  if (
    select count(*) from public.uploads
    where user_id = p_user_id and claimed_at is null and created_at > public.instant() - interval '24 hours'
  ) >= c_most_unclaimed then
    return v_rate || jsonb_build_object('outcome', 'too_many', 'upload', null);
  end if;
  if exists (select from public.uploads where job_id = p_job_id) then
    return v_rate || public.upload_get(p_user_id, p_job_id);
  end if;
  if not public.bytes_add(p_user_id, p_size_bytes, p_max_bytes_a_day) then
    return v_rate || jsonb_build_object('outcome', 'daily_limit', 'upload', null);
  end if;
  insert into public.uploads (job_id, user_id, raw_path, mime_type, size_bytes, kid, wrapped_key, created_at)
  values (p_job_id, p_user_id, p_raw_path, p_mime_type, p_size_bytes, p_kid, p_wrapped_key, p_created_at)
  returning * into v_upload;
  return v_rate || jsonb_build_object('outcome', 'created', 'upload', public.upload_document(v_upload));
end $$;

-- found (not claimed yet) or claimed, with the row; unknown, also when it is another's; or rate_limited.
create function public.upload_get(
  p_user_id uuid, p_job_id uuid, p_rate_burst integer default null, p_rate_per_minute integer default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_upload public.uploads;
  v_rate constant jsonb := public.post_admit(p_user_id, p_rate_burst, p_rate_per_minute);
begin
  if v_rate #> '{rate,is_admitted}' = 'false' then
    return v_rate || jsonb_build_object('outcome', 'rate_limited', 'upload', null);
  end if;
  select * into v_upload from public.uploads where job_id = p_job_id and user_id = p_user_id;
  if v_upload.job_id is null then
    perform public.account_refuse_erased(p_user_id);
    return v_rate || jsonb_build_object('outcome', 'unknown', 'upload', null);
  end if;
  return v_rate || jsonb_build_object(
    'outcome', case when v_upload.claimed_at is null then 'found' else 'claimed' end,
    'upload', public.upload_document(v_upload)
  );
end $$;

revoke all on function
  public.credits_open(uuid, integer, boolean), public.usage_today(), public.failure_add(uuid),
  public.bytes_add(uuid, bigint, bigint), public.post_admit(uuid, integer, integer),
  public.poll_enter(uuid, double precision, integer), public.poll_leave(uuid, timestamptz),
  public.credits_add(uuid, integer, text), public.account_of(uuid),
  public.account_open(uuid, integer, boolean), public.credits_grant(uuid, integer), public.upload_document(public.uploads),
  public.upload_create(uuid, uuid, text, text, bigint, integer, text, timestamptz, integer, integer, integer, bigint,
                       boolean),
  public.upload_get(uuid, uuid, integer, integer)
  from public, anon, authenticated;
grant execute on function
  public.credits_open(uuid, integer, boolean), public.usage_today(), public.failure_add(uuid),
  public.bytes_add(uuid, bigint, bigint), public.post_admit(uuid, integer, integer),
  public.poll_enter(uuid, double precision, integer), public.poll_leave(uuid, timestamptz),
  public.credits_add(uuid, integer, text), public.account_of(uuid),
  public.account_open(uuid, integer, boolean), public.credits_grant(uuid, integer), public.upload_document(public.uploads),
  public.upload_create(uuid, uuid, text, text, bigint, integer, text, timestamptz, integer, integer, integer, bigint,
                       boolean),
  public.upload_get(uuid, uuid, integer, integer)
  to service_role;

-- queue ---------------------------------------------------------------------------------------------------------------

-- Who is next: starting jobs within the executor's capacity, fairly between users, and one tick of the reconciler.

-- All who start a job or free a place take this lock first, and keep it until they commit: so nobody overlooks a place
-- that is being freed, or a job that is being queued. Calls are short; who waits longer than this waits for somebody's
-- open session, and is told so (55P03) rather than kept.
create function public.queue_lock() returns void
language sql set search_path = '' set lock_timeout = '5s' as $$ select pg_advisory_xact_lock(7298301105) $$;

-- The id in the third part of a storage key: the job's of a raw/ key, the document's of a master/ key.
create function public.key_id(p_key text) returns uuid
language sql immutable set search_path = '' as $$
  select case
    when p_key ~ '^(raw|master)/[0-9a-f-]{36}/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/'
    then split_part(p_key, '/', 3)::uuid
  end
$$;

-- What a dispatch needs to know of a started job (ports.StartedJob).
create function public.job_started(p_job public.jobs) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', p_job.id, 'user_id', p_job.user_id, 'attempt', p_job.attempt, 'document_id', p_job.document_id,
    'created_at', p_job.created_at, 'dispatched_at', p_job.dispatched_at, 'portal', p_job.portal, 'slot', p_job.slot,
    'portal_version', p_job.portal_version, 'portal_name', coalesce(r.portal_name, s.name),
    'schema_definition', coalesce(r.schema_definition, s.schema_definition),
    'raw_path', p_job.raw_path, 'raw_paths', p_job.raw_paths, 'artifact_url', p_job.artifact_url,
    'mime_type', p_job.mime_type, 'original_filename', p_job.original_filename, 'options', p_job.options,
    'kid', p_job.kid, 'wrapped_key', p_job.wrapped_key, 'input_kid', p_job.input_kid,
    'input_wrapped_key', p_job.input_wrapped_key,
    'inputs', (
      select jsonb_agg(jsonb_build_object('kid', u.kid, 'wrapped_key', u.wrapped_key) order by asked.place)
      from jsonb_array_elements_text(p_job.raw_paths) with ordinality asked (path, place)
      join public.uploads u on u.job_id = public.key_id(asked.path)
    )
  )
  from public.portal_schemas s left join public.rules r on r.hash = p_job.rules_hash
  where s.portal = p_job.portal and s.slot = p_job.slot and s.version = p_job.portal_version
$$;

-- Starts an attempt: the first of a pending job, or the one that a processing job waits for. The lease begins.
create function public.job_start(p_job_id uuid, p_lease_s integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_now constant timestamptz := public.instant();
begin
  update public.jobs set
    status = 'processing', stage = 'dispatch',
    attempt = case status when 'pending' then 1 else attempt end,
    dispatched_at = coalesce(dispatched_at, v_now), started_at = v_now, submitted_at = null,
    executor = null, executor_ref = null,
    lease_until = v_now + make_interval(secs => p_lease_s), awaiting_dispatch = false, not_before = null
  where id = p_job_id and (status = 'pending' or (status = 'processing' and awaiting_dispatch))
  returning * into v_job;
  if v_job.id is null then
    return null;
  end if;
  return public.job_started(v_job);
end $$;

-- Starts the next job if the executor has room. First attempts and retries that are due wait in one queue: next is whoever
-- waits the longest of the users with the fewest in flight. Of the places in flight, retries take half at most; a user
-- whose input made three jobs fail today has one. The last free place is for users with nothing in flight, as long as there
-- is one who created a job in the last ten minutes; of the jobs of that time the newest 500 are looked at. Null when there is
-- no room or nobody may go. Somebody else's lock on the chosen job means that it is being cancelled, and that its canceller
-- goes on from there. What is asked of `jobs` is asked again of the row as it is once it is locked; what is asked of `queue`
-- is not. Loops, not joins: while `jobs` has grown and nobody has counted it yet, a planner may read it from end to end for
-- a join.
create function public.jobs_start_next(p_max_inflight integer, p_lease_s integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_failures_alone constant integer := 3;
  c_lately constant interval := '10 minutes';
  c_looked_at constant integer := 500;
  v_now constant timestamptz := public.instant();
  v_busy uuid[];
  v_retries integer;
  v_retry_may boolean;
  v_next uuid;
  v_id uuid;
begin
  perform public.queue_lock();
  select coalesce(array_agg(user_id), '{}'), count(*) filter (where is_retry) into v_busy, v_retries
    from public.queue where state = 'in_flight';
  if cardinality(v_busy) >= p_max_inflight then
    return null;
  end if;
  v_retry_may := v_retries < greatest(p_max_inflight / 2, 1);
  for v_next in
    select job_id from public.queue
    where waits_from <= v_now and user_id <> all (v_busy) and (v_retry_may or not is_retry)
    order by waits_from, job_id
  loop
    select id into v_id from public.jobs
      where id = v_next and (status = 'pending' or awaiting_dispatch) for update skip locked;
    exit when v_id is not null;
  end loop;
  if v_id is null and cardinality(v_busy) > 0 then
    select oldest.job_id into v_next
      from (select u as user_id, count(*) as jobs from unnest(v_busy) u group by u) b
      cross join lateral (
        select job_id, waits_from from public.queue
        where user_id = b.user_id and waits_from <= v_now and (v_retry_may or not is_retry)
        order by waits_from, job_id limit 1
      ) oldest
      where not exists (
        select from public.user_credits c
        where c.user_id = b.user_id and c.usage_day = public.usage_today() and c.failures_today >= c_failures_alone
      )
      order by b.jobs, oldest.waits_from, oldest.job_id limit 1;
    if v_next is not null and cardinality(v_busy) = p_max_inflight - 1 and exists (
      select from (
        select user_id from public.jobs where created_at > v_now - c_lately
        order by created_at desc, id desc limit c_looked_at
      ) lately
      where user_id <> all (v_busy)
    ) then
      return null;
    end if;
    select id into v_id from public.jobs
      where id = v_next and (status = 'pending' or awaiting_dispatch) for update skip locked;
  end if;
  return public.job_start(v_id, p_lease_s);
end $$;

-- Claims at most one job whose lease has passed, for a minute; a job that is being settled just now is left alone.
create function public.jobs_sweep() returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_next uuid;
  v_id uuid;
  v_now constant timestamptz := public.instant();
begin
  for v_next in
    select job_id from public.queue where state = 'in_flight' and due_at < v_now order by due_at
  loop
    select id into v_id from public.jobs
      where id = v_next and status = 'processing' and not awaiting_dispatch and lease_until < v_now
        and (claim_until is null or claim_until <= v_now)
      for update skip locked;
    exit when v_id is not null;
  end loop;
  update public.jobs set lease_until = v_now + interval '60 seconds' where id = v_id returning * into v_job;
  if v_job.id is null then
    return null;
  end if;
  return public.job_started(v_job) || jsonb_build_object(
    'executor', v_job.executor, 'executor_ref', v_job.executor_ref, 'started_at', v_job.started_at,
    'submitted_at', v_job.submitted_at
  );
end $$;

-- Removes what nobody needs any more, at most 200 rows of each: uploads that no job claimed in a day, and measurements
-- of more than 90 days ago. Both look at the oldest rows only.
create function public.purge() returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := public.instant();
  v_uploads integer;
  v_metrics integer := 0;
begin
  delete from public.uploads where job_id = any (array(
    select job_id from public.uploads
    where claimed_at is null and created_at < v_now - interval '24 hours'
    order by created_at limit 200 for update skip locked
  ));
  get diagnostics v_uploads = row_count;
  if (select created_at from public.metrics order by id limit 1) < v_now - interval '90 days' then
    delete from public.metrics where id = any (array(
      select id from (select id, created_at from public.metrics order by id limit 200) oldest
      where created_at < v_now - interval '90 days'
    ));
    get diagnostics v_metrics = row_count;
  end if;
  return jsonb_build_object('uploads', v_uploads, 'metrics', v_metrics);
end $$;

-- Claims keys to remove, for ten minutes; `removals_done` says that it was done. Of what is due each account's oldest
-- comes first, then each one's second oldest. Of more than 20,000 that are due (half a day of one account at its limit)
-- the oldest are looked at.
create function public.removals_next() returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_most constant integer := 200;
  c_looked_at constant integer := 20000;
  v_now constant timestamptz := public.instant();
  v_ids constant uuid[] := array(
    select job_id from (
      select job_id, due_at, row_number() over (partition by split_part(keys ->> 0, '/', 2) order by due_at) as turn
      from (select job_id, keys, due_at from public.removals where due_at <= v_now order by due_at limit c_looked_at) due
    ) ranked
    order by turn, due_at limit c_most
  );
  v_removals jsonb;
begin
  if v_ids = '{}' then
    return '[]';
  end if;
  with claimed as (
    update public.removals set due_at = v_now + interval '10 minutes'
    where job_id in (
      select job_id from public.removals where job_id = any (v_ids) and due_at <= v_now for update skip locked
    )
    returning job_id, keys
  )
  select jsonb_agg(jsonb_build_object('job_id', job_id, 'keys', keys) order by array_position(v_ids, job_id))
    into v_removals from claimed;
  return coalesce(v_removals, '[]');
end $$;

-- The keys of these are gone; they are handed out once more, an hour later. How many that were.
create function public.removals_done(p_job_ids jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_ids constant uuid[] := array(select jsonb_array_elements_text(p_job_ids)::uuid);
  v_ended integer;
  v_once_more integer;
begin
  delete from public.removals where job_id = any (v_ids) and is_last and due_at > public.instant();
  get diagnostics v_ended = row_count;
  update public.removals set is_last = true, due_at = public.instant() + interval '1 hour'
    where job_id = any (v_ids) and not is_last and due_at > public.instant();
  get diagnostics v_once_more = row_count;
  return to_jsonb(v_ended + v_once_more);
end $$;

-- One bounded step of the reconciler (ports.TickWork); `erasing` says that `account_erase_step` has something to do.
-- `p_max_attempts` is there so that every call takes one capacity.
create function public.jobs_tick(p_max_inflight integer, p_lease_s integer, p_max_attempts integer)
returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_overdue jsonb;
  v_dispatch jsonb;
  v_removals jsonb;
  v_purged jsonb;
begin
  perform public.queue_lock();
  v_overdue := public.jobs_sweep();
  v_dispatch := public.jobs_start_next(p_max_inflight, p_lease_s);
  v_removals := public.removals_next();
  v_purged := public.purge();
  perform public.counter_add('ticks', '', 1);
  insert into public.counters as c (name, value)
  values ('last_tick_ms', floor(extract(epoch from public.instant()) * 1000)::bigint)
  on conflict (name, label) do update set value = greatest(c.value, excluded.value);
  return jsonb_build_object(
    'overdue', v_overdue, 'dispatch', v_dispatch, 'removals', v_removals, 'purged', v_purged,
    'erasing', exists (select from public.erasures)
  );
end $$;

revoke all on function
  public.queue_lock(), public.job_started(public.jobs), public.job_start(uuid, integer),
  public.jobs_start_next(integer, integer), public.jobs_sweep(), public.removals_next(),
  public.removals_done(jsonb), public.purge(),
  public.jobs_tick(integer, integer, integer)
  from public, anon, authenticated;
grant execute on function
  public.queue_lock(), public.job_started(public.jobs), public.job_start(uuid, integer),
  public.jobs_start_next(integer, integer), public.jobs_sweep(), public.removals_next(),
  public.removals_done(jsonb), public.purge(),
  public.jobs_tick(integer, integer, integer)
  to service_role;

-- job_create ----------------------------------------------------------------------------------------------------------

-- POST /jobs in one transaction.

-- What is in the rule book beside a name that is not: asked for only when a job was refused for it, so that the refusal
-- says which of portal, version and slot is wrong.
create function public.rule_names(p_portal text, p_version text) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'portals', (
      select coalesce(jsonb_agg(name order by name), '[]')
      from (
        select portal from public.portal_schemas where is_current union select alias from public.portal_aliases
      ) known (name)
    ),
    'versions', (
      select coalesce(jsonb_agg(distinct s.version), '[]') from public.portal_schemas s where s.portal = asked.portal
    ),
    'slots', (
      select coalesce(jsonb_agg(s.slot order by s.slot), '[]') from public.portal_schemas s
      where s.portal = asked.portal and case when p_version is null then s.is_current else s.version = p_version end
    )
  )
  from (
    select coalesce((select portal from public.portal_aliases where alias = p_portal), p_portal)
  ) asked (portal)
$$;


-- The options that a slot's rules do not allow: [{option, source}], the source being the one that the rule has, or null.
-- A rule that the stored ones do not know yet allows nothing; `name_date_strip` is what `caption` was called. Background and
-- caption are a photo's, a text layer is a PDF's.
create function public.options_refused(p_options jsonb, p_rules jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('option', o.name, 'source', o.source) order by o.name), '[]')
  from (select coalesce(p_rules ->> 'kind', 'auto') in ('photo', 'auto') as is_photo) slot
  cross join lateral (values
    ('background', is_photo and p_rules ->> 'background_edit' = 'allowed', p_rules #> '{sources,background_edit}'),
    (
      'caption', is_photo and coalesce(p_rules ->> 'caption' <> 'none', p_rules ->> 'name_date_strip' = 'true'),
      coalesce(p_rules #> '{sources,caption}', p_rules #> '{sources,name_date_strip}')
    ),
    ('text_layer', p_rules ->> 'text_layer' = 'allowed', p_rules #> '{sources,text_layer}')
  ) o (name, is_allowed, source)
  where coalesce(p_options -> o.name, 'null') not in ('null', 'false') and o.is_allowed is not true
$$;

-- Refusals in this order: too many calls a minute, a key that has a job already, portal, options, several where one is due,
-- upload, an upload that has a job already, sealed beside plain, object, size, how many are active, credit. An equal request
-- is the same job before all but the first of them. The user's credits are locked before anything is looked at, so that
-- equal calls come one after the other. Several uploads are claimed together or not at all, by the job of the first one's id.
create function public.job_create(
  p_user_id uuid, p_job_id uuid, p_document_id uuid, p_raw_path text, p_artifact_url text, p_object_bytes bigint,
  p_portal text, p_slot text, p_portal_version text, p_mime_type text, p_original_filename text, p_options jsonb,
  p_kid integer, p_wrapped_key text, p_idempotency_key text, p_request_hash text, p_max_active_jobs integer,
  p_initial_credits integer, p_max_inflight integer, p_lease_s integer, p_max_attempts integer,
  p_raw_paths jsonb default null, p_objects_bytes jsonb default null, p_rate_burst integer default null,
  p_rate_per_minute integer default null, p_is_guest boolean default false
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_sealed_bytes constant integer := 124;  -- what RQE1 adds
  -- uploads, in their order: one in `p_raw_path`, or several in `p_raw_paths` with their objects' bytes
  v_paths constant text[] := case
    when p_raw_paths is not null then array(select jsonb_array_elements_text(p_raw_paths))
    when starts_with(p_raw_path, 'raw/') then array[p_raw_path]
  end;
  v_bytes constant bigint[] := case
    when p_raw_paths is not null then array(select value::bigint from jsonb_array_elements_text(p_objects_bytes))
    else array[p_object_bytes]
  end;
  v_uploads public.uploads[];
  v_now constant timestamptz := public.instant();
  v_twin public.jobs;
  v_upload public.uploads;
  v_source public.jobs;
  v_slots text[];
  v_version text;
  v_refused jsonb;
  v_job_id uuid := p_job_id;
  v_claimed jsonb;
  v_started jsonb;
  v_rate jsonb;
begin
  perform public.credits_open(p_user_id, p_initial_credits, p_is_guest);
  v_rate := public.post_admit(p_user_id, p_rate_burst, p_rate_per_minute);
  if v_rate #> '{rate,is_admitted}' = 'false' then
    return v_rate || jsonb_build_object('outcome', 'rate_limited');
  end if;

  if p_idempotency_key is not null then
    select * into v_twin from public.jobs where user_id = p_user_id and idempotency_key = p_idempotency_key;
    if v_twin.id is not null then
      return v_rate || public.job_replay(v_twin, p_request_hash, 'idempotency_mismatch');
    end if;
  end if;
  if v_paths is not null then
    perform from public.uploads
      where job_id = any (array(select public.key_id(path) from unnest(v_paths) path)) and user_id = p_user_id
      for update;
    v_uploads := array(
      select u from unnest(v_paths) with ordinality asked (path, place)
      left join public.uploads u
        on u.job_id = public.key_id(asked.path) and u.user_id = p_user_id and u.raw_path = asked.path
      order by asked.place
    );
    v_upload := v_uploads[1];
    if exists (select from unnest(v_uploads) u where u.claimed_at is not null) then
      select * into v_twin from public.jobs where id = coalesce(v_upload.claimed_by, v_upload.job_id);
      v_claimed := public.job_replay(v_twin, p_request_hash, 'upload_claimed');
      if v_claimed ->> 'outcome' = 'replayed' then
        return v_rate || v_claimed;
      end if;
    end if;
  end if;

  p_portal := coalesce((select portal from public.portal_aliases where alias = p_portal), p_portal);
  select array_agg(slot order by slot), min(version) into v_slots, v_version from public.portal_schemas
    where portal = p_portal and case when p_portal_version is null then is_current else version = p_portal_version end;
  if v_slots is null or p_slot <> all (v_slots) then
    return v_rate || jsonb_build_object('outcome', 'portal_unknown');
  end if;
  if p_slot is null and cardinality(v_slots) > 1 then
    return v_rate || jsonb_build_object('outcome', 'slot_required');
  end if;
  select public.options_refused(p_options, schema_definition) into v_refused from public.portal_schemas
    where portal = p_portal and slot = coalesce(p_slot, v_slots[1]) and version = v_version;
  if v_refused <> '[]' then
    return v_rate || jsonb_build_object('outcome', 'option_refused', 'refused', v_refused);
  end if;
  if p_raw_paths is not null and not exists (
    select from public.portal_schemas
    where portal = p_portal and slot = coalesce(p_slot, v_slots[1]) and version = v_version
      and (schema_definition ->> 'output_format' = 'pdf' or schema_definition -> 'formats' ? 'pdf')
  ) then
    return v_rate || jsonb_build_object('outcome', 'several_refused');
  end if;

  if v_paths is not null then
    if exists (select from unnest(v_uploads) u where u.job_id is null) then
      return v_rate || jsonb_build_object('outcome', 'upload_unknown');
    end if;
    if v_claimed is not null then
      return v_rate || v_claimed;
    end if;
    if (select count(distinct u.kid is null) from unnest(v_uploads) u) > 1 then
      return v_rate || jsonb_build_object('outcome', 'mixed_encryption');
    end if;
    v_job_id := v_upload.job_id;
  elsif p_raw_path is not null then
    select j.* into v_source from public.documents d join public.jobs j on j.id = d.job_id
      where d.document_id = public.key_id(p_raw_path) and d.user_id = p_user_id and j.erased_at is null;
    if v_source.id is null then
      return v_rate || jsonb_build_object('outcome', 'upload_unknown');
    end if;
  end if;
  if coalesce(p_raw_path, p_raw_paths ->> 0) is not null and array_position(v_bytes, null) is not null then
    return v_rate || jsonb_build_object('outcome', 'object_missing');
  end if;
  if exists (
    select from generate_subscripts(v_uploads, 1) i
    where v_bytes[i] > v_uploads[i].size_bytes + (case when v_uploads[i].kid is null then 0 else c_sealed_bytes end)
  ) then
    return v_rate || jsonb_build_object('outcome', 'too_large');
  end if;
  if (
    select count(*) from (
      select from public.queue where user_id = p_user_id limit p_max_active_jobs
    ) active
  ) >= p_max_active_jobs then
    return v_rate || jsonb_build_object('outcome', 'too_many_jobs');
  end if;
  if (select balance from public.user_credits where user_id = p_user_id) < 1 then
    return v_rate || jsonb_build_object('outcome', 'no_credit');
  end if;

  if v_paths is not null then
    p_kid := v_upload.kid;
    p_wrapped_key := v_upload.wrapped_key;
  elsif v_source.id is not null and v_source.kid is null then
    -- A master in plaintext makes a job in plaintext: the worker opens all objects of a job, or none.
    p_kid := null;
    p_wrapped_key := null;
  end if;
  insert into public.jobs (
    id, user_id, document_id, portal, slot, portal_version, raw_path, raw_paths, artifact_url, mime_type,
    original_filename, options, idempotency_key, request_hash, kid, wrapped_key, input_kid, input_wrapped_key, created_at,
    updated_at
  ) values (
    v_job_id, p_user_id, p_document_id, p_portal, coalesce(p_slot, v_slots[1]), v_version, p_raw_path, p_raw_paths,
    p_artifact_url, coalesce(p_mime_type, v_upload.mime_type), p_original_filename, coalesce(p_options, '{}'),
    p_idempotency_key, p_request_hash, p_kid, p_wrapped_key, v_source.kid, v_source.wrapped_key, v_now, v_now
  );
  insert into public.credit_ledger (user_id, job_id, kind, amount, created_at)
    values (p_user_id, v_job_id, 'reserve', -1, v_now);
  update public.uploads set claimed_at = v_now, claimed_by = v_job_id
    where job_id = any (array(select public.key_id(path) from unnest(v_paths) path));
  v_started := public.jobs_start_next(p_max_inflight, p_lease_s);
  perform public.counter_add('jobs_created', '', 1);
  return v_rate || jsonb_build_object(
    'outcome', 'created', 'job_id', v_job_id,
    'status', (select status from public.jobs where id = v_job_id), 'started', v_started
  );
end $$;

-- The job that an equal call made; `p_otherwise` when the calls are not equal.
create function public.job_replay(p_job public.jobs, p_request_hash text, p_otherwise text) returns jsonb
language sql immutable set search_path = '' as $$
  select case
    when p_job.request_hash = any (string_to_array(p_request_hash, ' '))
    then jsonb_build_object('outcome', 'replayed', 'job_id', p_job.id, 'status', p_job.status)
    else jsonb_build_object('outcome', p_otherwise)
  end
$$;

revoke all on function
  public.key_id(text), public.rule_names(text, text), public.options_refused(jsonb, jsonb),
  public.job_replay(public.jobs, text, text),
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer, jsonb, jsonb, integer, integer, boolean)
  from public, anon, authenticated;
grant execute on function
  public.key_id(text), public.rule_names(text, text), public.options_refused(jsonb, jsonb),
  public.job_replay(public.jobs, text, text),
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer, jsonb, jsonb, integer, integer, boolean)
  to service_role;

-- settlement ----------------------------------------------------------------------------------------------------------

-- How an attempt goes on and ends: the executor's word, progress, the claim of a settlement, success and failure.

-- Where a report about an attempt stands; no attempt named means the first. `current` is the only one that may go on.
-- An attempt that is still to be started cannot report: it is in the future too.
create function public.job_standing(p_job public.jobs, p_attempt integer) returns text
language sql immutable set search_path = '' as $$
  select case
    when p_job.id is null then 'unknown'
    when p_job.status in ('completed', 'failed') then 'terminal'
    when p_job.status = 'pending' then 'pending'
    when coalesce(p_attempt, 1) < p_job.attempt then 'stale'
    when coalesce(p_attempt, 1) > p_job.attempt or p_job.awaiting_dispatch then 'future'
    else 'current'
  end
$$;

-- A report that was refused is counted too, so that an operator sees duplicates and strangers.
create function public.report_refused(p_outcome text) returns void
language sql set search_path = '' as $$ select public.counter_add('webhook_results', p_outcome, 1) $$;

create function public.job_submitted(p_job_id uuid, p_attempt integer, p_executor text, p_executor_ref text)
returns jsonb
language plpgsql set search_path = '' as $$
begin
  update public.jobs
    set executor = p_executor, executor_ref = p_executor_ref, submitted_at = public.instant()
    where id = p_job_id and attempt = p_attempt and status = 'processing' and not awaiting_dispatch;
  return to_jsonb(found);
end $$;

create function public.job_progress(p_job_id uuid, p_attempt integer, p_stage text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
begin
  select * into v_job from public.jobs where id = p_job_id;
  if public.job_standing(v_job, p_attempt) <> 'current' then
    return 'false';
  end if;
  update public.jobs set stage = p_stage
    where id = p_job_id and attempt = p_attempt and status = 'processing' and not awaiting_dispatch
      and stage is distinct from p_stage;
  return 'true';
end $$;

create function public.job_extend(p_job_id uuid, p_attempt integer, p_lease_s integer) returns jsonb
language plpgsql set search_path = '' as $$
begin
  update public.jobs set lease_until = public.instant() + make_interval(secs => p_lease_s)
    where id = p_job_id and attempt = p_attempt and status = 'processing' and not awaiting_dispatch;
  return to_jsonb(found);
end $$;

-- The right to settle a success, for `p_claim_s`. Most duplicates are answered without a lock. Whoever held it before
-- and neither finished nor gave it back died of it: that counts as a failure to package too.
create function public.job_claim_settlement(
  p_job_id uuid, p_attempt integer, p_user_id uuid, p_document_id uuid, p_claim_s integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_outcome text;
  v_now constant timestamptz := public.instant();
begin
  select * into v_job from public.jobs where id = p_job_id;
  if public.job_standing(v_job, p_attempt) = 'current' then
    select * into v_job from public.jobs where id = p_job_id for update;
  end if;
  v_outcome := public.job_standing(v_job, p_attempt);
  if v_outcome <> 'unknown' and v_job.erased_at is null  -- of an erased account's job the owner is not known any more
    and (v_job.user_id, v_job.document_id) is distinct from (p_user_id, p_document_id)
  then
    v_outcome := 'foreign_keys';
  elsif v_outcome = 'current' and v_job.claim_until > v_now then
    v_outcome := 'busy';
  end if;
  if v_outcome <> 'current' then
    perform public.report_refused(v_outcome);
    return jsonb_build_object('outcome', v_outcome);
  end if;
  update public.jobs
    set claim = gen_random_uuid(), claim_until = v_now + make_interval(secs => p_claim_s), stage = 'package',
      packaging_failures = packaging_failures + (case when claim is null then 0 else 1 end)
    where id = p_job_id returning * into v_job;
  return jsonb_build_object('outcome', 'claimed', 'claim', v_job.claim, 'job', jsonb_build_object(
    'job_id', v_job.id, 'user_id', v_job.user_id, 'attempt', v_job.attempt, 'document_id', v_job.document_id,
    'created_at', v_job.created_at, 'dispatched_at', v_job.dispatched_at, 'portal', v_job.portal, 'slot', v_job.slot,
    'kid', v_job.kid, 'wrapped_key', v_job.wrapped_key, 'packaging_failures', v_job.packaging_failures,
    'artifact_names_sealed', v_job.kid is not null
  ));
end $$;

-- Packaging did not work: gives the claim back, and says how often that has happened by now.
create function public.job_release_settlement(p_job_id uuid, p_claim text) returns jsonb
language plpgsql set search_path = '' as $$
begin
  update public.jobs set claim = null, claim_until = null, packaging_failures = packaging_failures + 1
    where id = p_job_id and status = 'processing' and claim::text = p_claim;
  return to_jsonb(coalesce((select packaging_failures from public.jobs where id = p_job_id), 0));
end $$;

-- What an attempt took, for good (`cpu_usage`) and for 90 days (`metrics`). Numbers only; nothing else is kept.
create function public.job_measured(p_job public.jobs, p_metrics jsonb, p_more jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := public.instant();
begin
  insert into public.cpu_usage (job_id, attempt, stage, cpu_ms, created_at)
    select p_job.id, p_job.attempt, stage, cpu_ms, v_now from public.stage_times(p_metrics -> 'stages')
    on conflict (job_id, attempt, stage) do nothing;
  insert into public.metrics (job_id, attempt, name, value, created_at)
    select p_job.id, p_job.attempt, m.name, m.value, v_now
    from (
      select key as name, least(greatest(value::text::numeric, -1e300), 1e300)::double precision as value
      from jsonb_each(coalesce(p_metrics, '{}') - 'stages' || p_more) where jsonb_typeof(value) = 'number'
      union all
      select 'stage_wall_ms.' || stage, wall_ms from public.stage_times(p_metrics -> 'stages')
      union all
      select 'stage_cpu_ms.' || stage, cpu_ms from public.stage_times(p_metrics -> 'stages')
    ) m;
end $$;

-- Processing -> completed: the credit, the figures and the document go with it, in one transaction. Only who holds the
-- claim may; a claim that has run out still counts as long as nobody else has taken it.
create function public.job_finish(
  p_job_id uuid, p_attempt integer, p_claim text, p_quality_score double precision, p_warnings jsonb,
  p_artifacts jsonb, p_metrics jsonb, p_receipt jsonb, p_conforms boolean, p_max_inflight integer, p_lease_s integer,
  p_max_attempts integer, p_advice jsonb default '[]', p_hashes jsonb default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_outcome text;
  v_ended jsonb;
  v_now constant timestamptz := public.instant();
begin
  select * into v_job from public.jobs where id = p_job_id for update;
  v_outcome := public.job_standing(v_job, p_attempt);
  if v_outcome = 'current' and (p_claim is null or v_job.claim::text is distinct from p_claim) then
    v_outcome := 'lost_claim';
  end if;
  if v_outcome <> 'current' then
    perform public.report_refused(v_outcome);
    return jsonb_build_object('outcome', v_outcome);
  end if;
  update public.jobs set
    status = 'completed', stage = null, quality_score = p_quality_score, warnings = coalesce(p_warnings, '[]'),
    advice = coalesce(p_advice, '[]'), artifacts = p_artifacts, hashes = p_hashes, metrics = p_metrics,
    receipt = p_receipt, conforms = p_conforms, error_details = null,
    ended_at = v_now, lease_until = null, claim = null, claim_until = null
  where id = p_job_id returning * into v_job;
  insert into public.credit_ledger (user_id, job_id, kind, amount, created_at)
    values (v_job.user_id, p_job_id, 'settle', 0, v_now);
  insert into public.documents (document_id, user_id, job_id, portal, slot, created_at)
    values (v_job.document_id, v_job.user_id, p_job_id, v_job.portal, v_job.slot, v_now);
  perform public.job_measured(v_job, p_metrics, jsonb_build_object(
    'quality_score', p_quality_score, 'queued_ms', public.ms_between(v_job.created_at, v_job.dispatched_at),
    'total_ms', public.ms_between(v_job.created_at, v_now)
  ));
  v_ended := public.job_ended(
    'completed', null, p_metrics -> 'stages', v_job.started_at, p_max_inflight, p_lease_s, p_max_attempts
  );
  perform public.counter_add('webhook_results', 'completed', 1);
  return v_ended || jsonb_build_object('user_id', v_job.user_id, 'attempt', v_job.attempt);
end $$;

-- Counts an end (or a retry) and takes the next step, under the queue's lock. `p_held_from` is since when the attempt
-- held its place; null when it held none.
create function public.job_ended(
  p_outcome text, p_code text, p_stages jsonb, p_held_from timestamptz, p_max_inflight integer, p_lease_s integer,
  p_max_attempts integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_work jsonb;
begin
  v_work := public.jobs_tick(p_max_inflight, p_lease_s, p_max_attempts);
  if p_outcome <> 'retrying' then
    perform public.counter_add('jobs_ended', p_outcome, 1);
  end if;
  if p_code is not null then
    perform public.counter_add(case p_outcome when 'retrying' then 'retries' else 'failures' end, p_code, 1);
  end if;
  perform public.counters_add_stages(p_stages);
  perform public.place_held(p_held_from);
  return jsonb_build_object('outcome', p_outcome, 'work', v_work);
end $$;

-- The next attempt of a job, after 2^attempt x 5 s, at most 5 min. The error stays with those before it.
create function public.job_retry(p_job public.jobs, p_error jsonb) returns void
language sql set search_path = '' as $$
  update public.jobs set
    attempt = attempt + 1, awaiting_dispatch = true, stage = null, lease_until = null, claim = null, claim_until = null,
    not_before = public.instant() + make_interval(secs => least(5 * 2 ^ least(attempt, 10), 300)),
    executor = null, executor_ref = null, submitted_at = null,
    error_details = jsonb_build_object(
      'attempts', coalesce(error_details -> 'attempts', '[]')
        || jsonb_build_array(p_error || jsonb_build_object('attempt', attempt, 'at', public.instant()))
    )
  where id = p_job.id
$$;

-- Keys to remove in an hour, when whatever runs now has met its deadline.
create function public.removal_add(p_job_id uuid, p_keys jsonb) returns void
language sql set search_path = '' as $$
  insert into public.removals (job_id, keys, due_at) values (p_job_id, p_keys, public.instant() + interval '1 hour')
  on conflict (job_id) do update set keys = excluded.keys, due_at = excluded.due_at, is_last = false
$$;

-- Whether a job failed of what its owner sent: such failures are limited. Not an engine that the operator's machine cannot
-- start, wall in or load.
create function public.is_failure_of_input(p_error jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(
    p_error ->> 'code' in ('DECODE_FAILED', 'SCHEMA_FAILED', 'SIZE_EXCEEDED')
    or (
      p_error ->> 'code' = 'OCR_FAILED'
      and coalesce(p_error #>> '{detail,reason}', '') not in ('unknown_engine', 'start', 'walls')
      and coalesce(p_error #>> '{detail,type}', '') not in ('ModelsMissingError', 'ImportError', 'ModuleNotFoundError')
    )
    or (p_error ->> 'code' = 'FETCH_FAILED' and p_error #> '{detail,transient}' is distinct from 'true')
    or (p_error ->> 'code' = 'INTERNAL_ERROR' and p_error #>> '{detail,reason}' in ('hang', 'memory')),
    false
  )
$$;

-- Processing -> failed, with the refund; from the failure on that is one of its input more than `p_max_failures` today, the
-- credit is spent. Returns whether it is. What earlier attempts failed of stays in `attempts`. The uploads are removed with
-- what the attempts may have left: no other job can be made from them.
create function public.job_fail(p_job public.jobs, p_error jsonb, p_max_failures integer default null) returns boolean
language plpgsql set search_path = '' as $$
declare
  -- our own store refuses our own credentials: an upload needs no others
  v_is_ours constant boolean := coalesce(
    p_error ->> 'code' = 'FETCH_FAILED' and p_error #>> '{detail,reason}' = 'access_denied' and p_job.artifact_url is null,
    false
  );
  v_charged boolean := false;
  v_keys jsonb;
begin
  update public.jobs set
    status = 'failed', stage = p_error ->> 'stage', ended_at = public.instant(), lease_until = null,
    awaiting_dispatch = false, not_before = null, claim = null, claim_until = null,
    error_details = coalesce(error_details, '{}') || p_error
  where id = p_job.id;
  if public.is_failure_of_input(p_error) and not v_is_ours then
    v_charged := coalesce(public.failure_add(p_job.user_id) > p_max_failures, false);
  end if;
  insert into public.credit_ledger (user_id, job_id, kind, amount, created_at) values (
    p_job.user_id, p_job.id, case when v_charged then 'settle' else 'refund' end, case when v_charged then 0 else 1 end,
    public.instant()
  );
  select jsonb_agg(key) into v_keys from (
    select 'raw/' || p_job.user_id || '/' || p_job.id || '/dispatch-a' || attempt || '.json.enc' as key
    from generate_series(1, p_job.attempt) attempt
    union all
    select 'master/' || p_job.user_id || '/' || p_job.document_id || '/' || p_job.document_id || '.enc'
    where p_job.attempt > 0
    union all
    select path from jsonb_array_elements_text(coalesce(p_job.raw_paths, jsonb_build_array(p_job.raw_path))) path
    where starts_with(path, 'raw/' || p_job.user_id || '/')
  ) own;
  if v_keys is not null then
    perform public.removal_add(p_job.id, v_keys);
  end if;
  return v_charged;
end $$;

-- Ends an attempt without a document. While somebody is settling a success of it, only who holds that claim may.
create function public.job_fail_attempt(
  p_job_id uuid, p_attempt integer, p_error jsonb, p_metrics jsonb, p_retry boolean, p_max_inflight integer,
  p_lease_s integer, p_max_attempts integer, p_claim text default null, p_max_failures integer default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_charged boolean := false;
  v_outcome text;
  v_ended jsonb;
begin
  select * into v_job from public.jobs where id = p_job_id;
  if public.job_standing(v_job, p_attempt) = 'current' then
    select * into v_job from public.jobs where id = p_job_id for update;
  end if;
  v_outcome := public.job_standing(v_job, p_attempt);
  if v_outcome = 'current' then
    if p_claim is null and v_job.claim_until > public.instant() then
      v_outcome := 'busy';
    elsif p_claim is not null and p_claim is distinct from v_job.claim::text then
      v_outcome := 'lost_claim';
    end if;
  end if;
  if v_outcome <> 'current' then
    perform public.report_refused(v_outcome);
    return jsonb_build_object('outcome', v_outcome);
  end if;
  if p_retry and v_job.attempt < p_max_attempts then
    v_outcome := 'retrying';
    perform public.job_retry(v_job, p_error);
  else
    v_outcome := 'failed';
    v_charged := public.job_fail(v_job, p_error, p_max_failures);
  end if;
  if p_metrics is not null then
    perform public.job_measured(v_job, p_metrics, '{}');
  end if;
  v_ended := public.job_ended(
    v_outcome, p_error ->> 'code', p_metrics -> 'stages', v_job.started_at, p_max_inflight, p_lease_s, p_max_attempts
  );
  if v_charged then
    perform public.counter_add('failures_charged', '', 1);
  end if;
  perform public.counter_add('webhook_results', v_outcome, 1);
  return v_ended || jsonb_build_object('user_id', v_job.user_id, 'attempt', v_job.attempt);
end $$;

revoke all on function
  public.job_standing(public.jobs, integer), public.report_refused(text),
  public.job_submitted(uuid, integer, text, text), public.job_progress(uuid, integer, text),
  public.job_extend(uuid, integer, integer), public.job_claim_settlement(uuid, integer, uuid, uuid, integer),
  public.job_release_settlement(uuid, text), public.job_measured(public.jobs, jsonb, jsonb),
  public.job_finish(uuid, integer, text, double precision, jsonb, jsonb, jsonb, jsonb, boolean, integer, integer,
                    integer, jsonb, jsonb),
  public.job_ended(text, text, jsonb, timestamptz, integer, integer, integer),
  public.job_retry(public.jobs, jsonb), public.removal_add(uuid, jsonb), public.is_failure_of_input(jsonb),
  public.job_fail(public.jobs, jsonb, integer),
  public.job_fail_attempt(uuid, integer, jsonb, jsonb, boolean, integer, integer, integer, text, integer)
  from public, anon, authenticated;
grant execute on function
  public.job_standing(public.jobs, integer), public.report_refused(text),
  public.job_submitted(uuid, integer, text, text), public.job_progress(uuid, integer, text),
  public.job_extend(uuid, integer, integer), public.job_claim_settlement(uuid, integer, uuid, uuid, integer),
  public.job_release_settlement(uuid, text), public.job_measured(public.jobs, jsonb, jsonb),
  public.job_finish(uuid, integer, text, double precision, jsonb, jsonb, jsonb, jsonb, boolean, integer, integer,
                    integer, jsonb, jsonb),
  public.job_ended(text, text, jsonb, timestamptz, integer, integer, integer),
  public.job_retry(public.jobs, jsonb), public.removal_add(uuid, jsonb), public.is_failure_of_input(jsonb),
  public.job_fail(public.jobs, jsonb, integer),
  public.job_fail_attempt(uuid, integer, jsonb, jsonb, boolean, integer, integer, integer, text, integer)
  to service_role;

-- reading -------------------------------------------------------------------------------------------------------------

-- What users read, in their own role and under RLS; and the one key that goes with it, for service_role.

-- A waiting job's place in the fair order, and when it may start, as far as it can be foretold; and whether a tick would find something to do.
-- The queue is everybody's, so this sees past RLS, and tells the owner of the job two small facts. Bounded: it looks at
-- the oldest 500 waiting jobs and at those of the same user.
create function public.queue_state(p_job_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_user_id constant uuid := auth.uid();
  v_now constant timestamptz := public.instant();
begin
  if not exists (select from public.queue where job_id = p_job_id and user_id = v_user_id and state = 'pending') then
    return null;
  end if;
  return (
    with waiting as (
      (
        select job_id, user_id, waits_from from public.queue
        where waits_from <= v_now order by waits_from, job_id limit 500
      )
      union
      select job_id, user_id, waits_from from public.queue where waits_from <= v_now and user_id = v_user_id
    ), in_flight as (
      select user_id, count(*) as jobs from public.queue where state = 'in_flight' group by user_id
    ), turns as (
      select
        w.job_id, w.waits_from,
        coalesce(f.jobs, 0) + row_number() over (partition by w.user_id order by w.waits_from, w.job_id) as turn
      from waiting w left join in_flight f using (user_id)
    )
    select jsonb_build_object(
      'position', place.position,
      -- as many places become free in the time that one is held as are in flight now
      'expected_start_at', v_now + interval '1 millisecond' * (
        select value from public.counters where name = 'place_ms' and label = 'lately'
      ) * place.position / greatest((select sum(jobs) from in_flight), 1),
      'stalled', not exists (select from public.queue where state = 'in_flight')
        or exists (select from public.queue where state = 'in_flight' and due_at < v_now)
    )
    from (
      select count(*) as position from turns t, turns mine
      where mine.job_id = p_job_id and (t.turn, t.waits_from, t.job_id) <= (mine.turn, mine.waits_from, mine.job_id)
    ) place
  );
end $$;

-- One of the caller's jobs (ports.JobRow); null when it is another's or erased. `overdue` says that a tick is due.
create function public.job_get(p_job_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce((
    select jsonb_build_object(
      'job_id', j.id, 'status', j.status, 'stage', j.stage, 'attempt', j.attempt, 'portal', j.portal, 'slot', j.slot,
      'portal_version', j.portal_version, 'document_id', j.document_id, 'quality_score', j.quality_score,
      'warnings', j.warnings, 'advice', j.advice,
      'error', case j.status when 'failed' then j.error_details - 'attempts' end,
      'metrics', j.metrics, 'receipt', j.receipt, 'conforms', j.conforms, 'artifacts', j.artifacts,
      'hashes', j.hashes,
      'sealed', j.kid is not null,
      'charged', case j.status
        when 'completed' then true
        when 'failed' then exists (select from public.credit_ledger l where l.job_id = j.id and l.kind = 'settle')
        else false
      end,
      'queue_position', q.state -> 'position', 'expected_start_at', q.state -> 'expected_start_at',
      'overdue', case
        when j.status = 'pending' then coalesce((q.state ->> 'stalled')::boolean, false)
        when j.status = 'processing' and j.awaiting_dispatch then j.not_before <= public.instant()
        when j.status = 'processing' then coalesce(j.lease_until < public.instant(), false)
        else false
      end,
      'row_version', j.row_version, 'created_at', j.created_at,
      'expires_at', case j.status when 'completed' then j.ended_at + interval '7 days' end
    )
    from public.jobs j
    cross join lateral (select case j.status when 'pending' then public.queue_state(j.id) end as state) q
    where j.id = p_job_id and j.user_id = (select auth.uid()) and j.erased_at is null
  ), public.caller_refuse_erased())
$$;

-- One line a job, without keys and receipts.
create view public.job_lines with (security_invoker = true) as
select
  id as job_id, user_id, status, stage, attempt, portal, slot, portal_version, quality_score, conforms,
  case status when 'failed' then error_details ->> 'code' end as error_code, created_at
from public.jobs
where erased_at is null;
revoke all on public.job_lines from public, anon, authenticated, service_role;
grant select on public.job_lines to authenticated;

-- The caller's jobs, newest first, after the keyset (p_before_at, p_before_id): a list of ports.JobListRow. Two queries,
-- so that each has an index that gives its order.
create function public.jobs_list(p_status text, p_limit integer, p_before_at timestamptz, p_before_id uuid)
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_before_at constant timestamptz := coalesce(p_before_at, 'infinity');
  v_before_id constant uuid := coalesce(p_before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  v_page jsonb;
begin
  if p_status is null then
    select jsonb_agg(to_jsonb(l) - 'user_id' order by l.created_at desc, l.job_id desc) into v_page from (
      select * from public.job_lines
      where user_id = (select auth.uid()) and (created_at, job_id) < (v_before_at, v_before_id)
      order by created_at desc, job_id desc limit p_limit
    ) l;
  else
    select jsonb_agg(to_jsonb(l) - 'user_id' order by l.created_at desc, l.job_id desc) into v_page from (
      select * from public.job_lines
      where user_id = (select auth.uid()) and status = p_status and (created_at, job_id) < (v_before_at, v_before_id)
      order by created_at desc, job_id desc limit p_limit
    ) l;
  end if;
  if v_page is null and not exists (select from public.job_lines where user_id = (select auth.uid())) then
    perform public.caller_refuse_erased();
  end if;
  return coalesce(v_page, '[]');
end $$;

-- The wrapped data key of one's own job; null when there is no such job. Both parts are null for a plaintext job.
create function public.job_key(p_user_id uuid, p_job_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('kid', kid, 'wrapped_key', wrapped_key) from public.jobs
  where id = p_job_id and user_id = p_user_id and erased_at is null
$$;

revoke all on function
  public.queue_state(uuid), public.job_get(uuid), public.jobs_list(text, integer, timestamptz, uuid),
  public.job_key(uuid, uuid)
  from public, anon, authenticated, service_role;
grant execute on function
  public.queue_state(uuid), public.job_get(uuid), public.jobs_list(text, integer, timestamptz, uuid)
  to authenticated;
grant execute on function public.job_key(uuid, uuid) to service_role;

-- deletion ------------------------------------------------------------------------------------------------------------

-- DELETE /jobs/{id}: a waiting job is cancelled, an ended one is erased. Its row stays for the ledger.

-- Every storage key that may hold something of a job, and nothing of another's (its source may be a shared master), for many
-- jobs at a time: one plan for all. What a worker may have left without telling is among them. The names are those of
-- rythmiq.contracts.keys; a test holds the two together.
create function public.jobs_storage_keys(p_job_ids uuid[]) returns table (job_id uuid, keys jsonb)
language sql stable set search_path = '' as $$
  with asked as (
    select
      j.id, j.raw_path, j.raw_paths, j.artifacts, j.attempt,
      'raw/' || j.user_id || '/' || j.id || '/' as raw,
      'output/' || j.user_id || '/' || j.id || '/' as output,
      'master/' || j.user_id || '/' || j.document_id || '/' || j.document_id || '.enc' as master,
      case when j.kid is null then '' else '.enc' end as suffix,
      to_char(j.dispatched_at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') as dispatched,
      to_char(j.created_at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') as created,
      case when j.raw_paths is not null then 'pdf'
        else case coalesce(kept.rules ->> 'output_format', kept.rules -> 'formats' ->> 0, 'jpeg')
          when 'png' then 'png' when 'pdf' then 'pdf' else 'jpg' end
      end as extension
    from public.jobs j
    join public.portal_schemas s on s.portal = j.portal and s.slot = j.slot and s.version = j.portal_version
    left join public.rules r on r.hash = j.rules_hash
    cross join lateral (select coalesce(r.schema_definition, s.schema_definition) as rules) kept
    where j.id = any (p_job_ids)
  ), found as (
    select id, raw_path as key from asked where starts_with(raw_path, 'raw/')
    union
    select id, jsonb_array_elements_text(raw_paths) from asked
    union
    select id, value from asked, jsonb_each_text(coalesce(artifacts, '{}'))
    union
    select id, unnest(array[
      raw || 'dispatch-a' || of_attempt || '.json.enc', output || 'result-a' || of_attempt || '.json.enc'
    ]) from asked, generate_series(1, attempt) of_attempt
    union
    select id, unnest(array[
      master,
      output || 'preview.jpg' || suffix,
      output || 'before.jpg' || suffix,
      output || dispatched || '_text.txt' || suffix,
      output || dispatched || '_document.' || extension || suffix,
      output || created || '_output.zip' || suffix
    ]) from asked where attempt > 0
  )
  select id, jsonb_agg(key order by key) from found where key is not null group by id
$$;

create function public.job_storage_keys(p_job public.jobs) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce((select keys from public.jobs_storage_keys(array[p_job.id])), '[]')
$$;

-- deleted or gone (before, and not swept yet) with the object's key; claimed by a job, or unknown. The key stays in
-- `removals` until no signature of it is open: one that was given out a moment ago holds for an hour at most.
create function public.upload_delete(p_user_id uuid, p_job_id uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_place constant text := 'raw/' || p_user_id || '/' || p_job_id || '/';
  v_upload public.uploads;
  v_keys jsonb;
begin
  select * into v_upload from public.uploads where job_id = p_job_id and user_id = p_user_id for update;
  if v_upload.claimed_at is not null then
    return jsonb_build_object('outcome', 'claimed', 'keys', jsonb '[]');
  end if;
  if v_upload.job_id is not null then
    v_keys := jsonb_build_array(v_upload.raw_path);
    perform public.removal_add(p_job_id, v_keys);
    delete from public.uploads where job_id = p_job_id;
    return jsonb_build_object('outcome', 'deleted', 'keys', v_keys);
  end if;
  select keys into v_keys from public.removals
    where job_id = p_job_id and jsonb_array_length(keys) = 1 and starts_with(keys ->> 0, c_place);
  if v_keys is null then
    perform public.account_refuse_erased(p_user_id);
  end if;
  return jsonb_build_object('outcome', case when v_keys is null then 'unknown' else 'gone' end,
    'keys', coalesce(v_keys, '[]'));
end $$;

-- cancelled (with its upload's keys, to remove at once, and the next step), erasable (with what to remove first),
-- processing, gone (erased before) or unknown. What a cancelled job was asked for goes with its upload; its row stays
-- visible until a second call erases it.
create function public.job_delete(
  p_user_id uuid, p_job_id uuid, p_max_inflight integer, p_lease_s integer, p_max_attempts integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_keys jsonb;
  v_ended jsonb;
begin
  select * into v_job from public.jobs where id = p_job_id and user_id = p_user_id for update;
  if v_job.id is null or exists (select from public.erasures where user_id = p_user_id) then
    perform public.account_refuse_erased(p_user_id);
    return jsonb_build_object('outcome', 'unknown', 'keys', jsonb '[]');
  elsif v_job.erased_at is not null then
    return jsonb_build_object('outcome', 'gone', 'keys', jsonb '[]');
  elsif v_job.status = 'processing' then
    return jsonb_build_object('outcome', 'processing', 'keys', jsonb '[]');
  elsif v_job.status <> 'pending' then
    return jsonb_build_object('outcome', 'erasable', 'keys', public.job_storage_keys(v_job));
  end if;
  update public.jobs set status = 'processing', original_filename = null, options = '{}'
    where id = p_job_id returning * into v_job;
  perform public.job_fail(v_job, jsonb_build_object(
    'code', 'EXECUTOR_CANCELLED', 'stage', 'dispatch', 'message', 'the owner cancelled the job before it started',
    'retryable', true, 'detail', null
  ));
  v_keys := public.job_storage_keys(v_job);
  if v_keys <> '[]' then
    perform public.removal_add(p_job_id, v_keys);
  end if;
  v_ended := public.job_ended('failed', 'EXECUTOR_CANCELLED', null, null, p_max_inflight, p_lease_s, p_max_attempts);
  return jsonb_build_object('outcome', 'cancelled', 'keys', v_keys, 'work', v_ended -> 'work');
end $$;

-- Takes everything personal from ended jobs: names, keys, receipt, figures. Whose they were, what was charged and how they
-- ended stay. What somebody may still write, a worker that nobody waits for or its owner by an open signature, is swept.
create function public.jobs_erase(p_job_ids uuid[], p_due_at timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.removals (job_id, keys, due_at)
  select own.job_id, own.keys, p_due_at from public.jobs_storage_keys(p_job_ids) own
  on conflict (job_id) do update set keys = excluded.keys, due_at = excluded.due_at, is_last = false;
  update public.jobs set
    raw_path = null, raw_paths = null, artifact_url = null, mime_type = null, original_filename = null, options = '{}',
    kid = null, wrapped_key = null, input_kid = null, input_wrapped_key = null, quality_score = null, conforms = null,
    warnings = '[]', advice = '[]', artifacts = null, hashes = null, metrics = null, receipt = null, executor_ref = null,
    error_details = case status when 'failed' then jsonb_build_object(
      'code', error_details -> 'code', 'stage', error_details -> 'stage', 'retryable', error_details -> 'retryable'
    ) end,
    erased_at = public.instant()
  where id = any (p_job_ids) and status in ('completed', 'failed') and erased_at is null;
  delete from public.documents where job_id = any (p_job_ids);
end $$;

-- Erases one ended job. Repeating it changes nothing.
create function public.job_erase(p_user_id uuid, p_job_id uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_paths text[];
begin
  select array(select jsonb_array_elements_text(coalesce(j.raw_paths, jsonb_build_array(j.raw_path)))) into v_paths
    from public.jobs j
    where id = p_job_id and user_id = p_user_id and status in ('completed', 'failed') and erased_at is null
    for update of j;
  if not found then
    return jsonb_build_object('outcome', 'unchanged');
  end if;
  perform public.jobs_erase(array[p_job_id], public.instant() + interval '1 hour');
  delete from public.uploads where job_id = p_job_id
    or (claimed_by = p_job_id and job_id = any (array(select public.key_id(path) from unnest(v_paths) path)));
  return jsonb_build_object('outcome', 'erased');
end $$;

-- Refuses an account of which nothing runs from now on, keeps an HMAC of its id, and answers the receipt's id. Its rows follow
-- by `account_erase_step`, under a fresh id. Not told, and whoever calls cannot choose it: nobody takes over what another
-- has left.
create function public.account_forget(p_user_id uuid, p_jobs integer, p_uploads integer, p_objects integer) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  v_receipt_id constant uuid := gen_random_uuid();
  v_other_id uuid;
begin
  if exists (
      select from public.jobs where user_id = p_user_id and status in ('pending', 'processing') and erased_at is null
    )
    or exists (select from public.uploads where user_id = p_user_id)
  then
    raise exception 'an account is forgotten when nothing of it runs or waits' using errcode = 'check_violation';
  end if;
  insert into public.account_key (key) values (
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
  ) on conflict do nothing;
  insert into public.erased_accounts (mac, receipt_id, jobs, uploads, objects, erased_at)
  values (public.account_mac(p_user_id), v_receipt_id, p_jobs, p_uploads, p_objects, public.instant());
  insert into public.erasures (user_id, due_at) values (p_user_id, public.instant()) returning other_id into v_other_id;
  perform set_config('rythmiq.forgotten', p_user_id::text, true);
  update public.user_credits set user_id = v_other_id where user_id = p_user_id;
  perform set_config('rythmiq.forgotten', '', true);
  return v_receipt_id;
end $$;

-- Erases up to 500 jobs of an account whose erasure has begun, of this one or of the one that waits the longest, and moves as
-- many, with what stands in the books of them, to its other id. Whether it has ended; null where there is none.
create function public.account_erase_step(p_user_id uuid default null) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  c_most constant integer := 500;
  v_user_id uuid;
  v_other_id uuid;
begin
  select user_id, other_id into v_user_id, v_other_id from public.erasures
    where p_user_id is null or user_id = p_user_id order by due_at limit 1 for update skip locked;
  if not found then
    return null;
  end if;
  perform public.jobs_erase(
    array(select id from public.jobs where user_id = v_user_id and erased_at is null limit c_most for update),
    public.instant()
  );
  perform set_config('rythmiq.forgotten', v_user_id::text, true);
  update public.jobs set user_id = v_other_id, idempotency_key = null, request_hash = '', executor_ref = null
    where id = any (array(
      select id from public.jobs where user_id = v_user_id and erased_at is not null limit c_most
    ));
  update public.credit_ledger set user_id = v_other_id
    where id = any (array(select id from public.credit_ledger where user_id = v_user_id limit 3 * c_most));
  perform set_config('rythmiq.forgotten', '', true);
  if exists (select from public.jobs where user_id = v_user_id and erased_at is null)
    or exists (select from public.jobs where user_id = v_user_id and erased_at is not null)
    or exists (select from public.credit_ledger where user_id = v_user_id)
  then
    update public.erasures set due_at = public.instant() where user_id = v_user_id;
    return false;
  end if;
  perform set_config('rythmiq.forgotten', v_user_id::text, true);
  update public.operator_events set user_id = v_other_id where user_id = v_user_id;
  perform set_config('rythmiq.forgotten', '', true);
  delete from public.erasures where user_id = v_user_id;
  return true;
end $$;

revoke all on function
  public.job_storage_keys(public.jobs), public.jobs_storage_keys(uuid[]), public.jobs_erase(uuid[], timestamptz),
  public.job_delete(uuid, uuid, integer, integer, integer),
  public.job_erase(uuid, uuid), public.upload_delete(uuid, uuid)
  from public, anon, authenticated;
grant execute on function
  public.job_storage_keys(public.jobs), public.jobs_storage_keys(uuid[]), public.jobs_erase(uuid[], timestamptz),
  public.job_delete(uuid, uuid, integer, integer, integer),
  public.job_erase(uuid, uuid), public.upload_delete(uuid, uuid)
  to service_role;

-- operators -----------------------------------------------------------------------------------------------------------

-- What an operator sees of anybody's jobs (ports.OperatorJob).

create function public.job_for_operator(p_job public.jobs) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', p_job.id, 'user_id', p_job.user_id, 'status', p_job.status, 'stage', p_job.stage,
    'attempt', p_job.attempt, 'portal', p_job.portal, 'slot', p_job.slot, 'executor', p_job.executor,
    'executor_ref', p_job.executor_ref, 'lease_until', p_job.lease_until, 'error_details', p_job.error_details,
    'created_at', p_job.created_at
  )
$$;

-- Newest first. What is going on is looked up among what is going on, however old it is.
create function public.jobs_search(p_status text, p_user_id uuid, p_limit integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_found jsonb;
begin
  if p_status in ('pending', 'processing') then
    select jsonb_agg(public.job_for_operator(j) order by j.created_at desc, j.id desc)
      into v_found
      from (
        select job_id from public.queue
        where (state = 'pending') = (p_status = 'pending') and user_id = coalesce(p_user_id, user_id)
        order by created_at desc, job_id desc limit p_limit
      ) q
      join public.jobs j on j.id = q.job_id;
  elsif p_user_id is not null then
    select jsonb_agg(public.job_for_operator(j) order by j.created_at desc, j.id desc) into v_found from (
      select * from public.jobs
      where user_id = p_user_id and status = coalesce(p_status, status) and erased_at is null
      order by created_at desc, id desc limit p_limit
    ) j;
  else
    select jsonb_agg(public.job_for_operator(j) order by j.created_at desc, j.id desc) into v_found from (
      select * from public.jobs where status = coalesce(p_status, status)
      order by created_at desc, id desc limit p_limit
    ) j;
  end if;
  return coalesce(v_found, '[]');
end $$;

create function public.job_inspect(p_job_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select public.job_for_operator(j) from public.jobs j where j.id = p_job_id
$$;

-- Starts the next attempt of a job as soon as there is room: at once when it waits for it, else by giving the present one
-- up. Without attempts left the job fails. Nothing is done while somebody is settling it, or when `p_attempt` is not the
-- present one.
create function public.job_retry_now(
  p_job_id uuid, p_attempt integer, p_error jsonb, p_max_inflight integer, p_lease_s integer, p_max_attempts integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_ended jsonb;
begin
  select * into v_job from public.jobs where id = p_job_id for update;
  if v_job.status = 'processing' and v_job.attempt = p_attempt and v_job.awaiting_dispatch then
    v_ended := jsonb_build_object('outcome', 'retrying');
  else
    v_ended := public.job_fail_attempt(
      p_job_id, p_attempt, p_error, null, true, p_max_inflight, p_lease_s, p_max_attempts
    );
  end if;
  if v_ended ->> 'outcome' = 'retrying' then
    update public.jobs set not_before = public.instant() where id = p_job_id;
  end if;
  return v_ended;
end $$;

-- Ends a job as failed, with the refund, wherever it is on its way; not while somebody is settling it.
create function public.job_end(
  p_job_id uuid, p_error jsonb, p_max_inflight integer, p_lease_s integer, p_max_attempts integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
begin
  select * into v_job from public.jobs where id = p_job_id for update;
  if v_job.id is null or v_job.status in ('completed', 'failed') or v_job.claim_until > public.instant() then
    return jsonb_build_object('outcome', case
      when v_job.id is null then 'unknown' when v_job.status in ('completed', 'failed') then 'terminal' else 'busy' end);
  end if;
  if v_job.status = 'pending' then
    update public.jobs set status = 'processing' where id = p_job_id returning * into v_job;
  end if;
  perform public.job_fail(v_job, p_error);
  return public.job_ended('failed', p_error ->> 'code', null, null, p_max_inflight, p_lease_s, p_max_attempts);
end $$;

-- Written with what an operator does, in one transaction.
create function public.operator_event_add(
  p_act text, p_actor text, p_user_id uuid, p_job_id uuid, p_details jsonb
) returns jsonb
language plpgsql set search_path = '' as $$
begin
  insert into public.operator_events (act, actor, user_id, job_id, details, created_at)
  values (p_act, p_actor, p_user_id, p_job_id, coalesce(p_details, '{}'), public.instant());
  return 'true';
end $$;

-- The newest events first.
create function public.operator_events_list(p_limit integer) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(to_jsonb(e) order by e.id desc), '[]') from (
    select * from public.operator_events order by id desc limit p_limit
  ) e
$$;

-- All that there is of an account but data keys, which are nobody's: rows, and the names of its objects.
create function public.account_export(p_user_id uuid, p_actor text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_service constant text[] := array[
    'kid', 'wrapped_key', 'input_kid', 'input_wrapped_key', 'request_hash', 'rules_hash', 'claim', 'claim_until'
  ];
begin
  perform public.account_refuse_erased(p_user_id);
  perform public.operator_event_add('account.export', p_actor, p_user_id, null, null);
  return jsonb_build_object(
    'user_id', p_user_id, 'exported_at', public.instant(),
    'credits', (select to_jsonb(c) from public.user_credits c where user_id = p_user_id),
    'credit_ledger', (
      select coalesce(jsonb_agg(to_jsonb(l) order by l.id), '[]') from public.credit_ledger l where user_id = p_user_id
    ),
    'uploads', (
      select coalesce(jsonb_agg(to_jsonb(u) - c_service order by u.created_at, u.job_id), '[]')
      from public.uploads u where user_id = p_user_id
    ),
    'jobs', (
      select coalesce(jsonb_agg(to_jsonb(j) - c_service order by j.created_at, j.id), '[]')
      from public.jobs j where user_id = p_user_id
    ),
    'documents', (
      select coalesce(jsonb_agg(to_jsonb(d) order by d.created_at, d.document_id), '[]')
      from public.documents d where user_id = p_user_id
    ),
    'operator_events', (
      select coalesce(jsonb_agg(to_jsonb(e) order by e.id), '[]')
      from public.operator_events e where user_id = p_user_id
    )
  );
end $$;

-- Begins to erase an account: what waits is cancelled, what runs is fenced (a late webhook finds it ended), and from here on
-- the account is refused. Its jobs are erased in steps, the first at once and the others by ticks; objects go by `removals`,
-- at once and again. What bookkeeping needs stays, without the account's id. `p_actor` is the operator, null for the
-- account's owner. erased, with the receipt; gone, when it was erased before.
create function public.account_erase(p_user_id uuid, p_actor text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_error constant jsonb := jsonb_build_object(
    'code', 'EXECUTOR_CANCELLED', 'stage', 'dispatch', 'message', 'the account was erased', 'retryable', true,
    'detail', null
  );
  v_job public.jobs;
  v_ids uuid[];
  v_jobs integer;
  v_uploads integer;
  v_objects integer;
  v_unclaimed integer;
  v_ended boolean;
  v_receipt jsonb;
begin
  if public.account_is_erased(p_user_id) then
    return jsonb_build_object('outcome', 'gone');
  end if;
  -- First the jobs, as everybody locks them, then the credits: from then on no job and no upload is added.
  v_ids := array(
    select id from public.jobs where user_id = p_user_id and status in ('pending', 'processing') and erased_at is null
  );
  perform from public.jobs where id = any (v_ids) order by id for update;
  perform public.credits_open(p_user_id, null);
  if exists (
    select from public.jobs where user_id = p_user_id and status in ('pending', 'processing') and erased_at is null
      and id <> all (v_ids)
  ) then
    raise exception 'a job was added meanwhile' using errcode = 'lock_not_available';
  end if;
  v_ids := array(select id from public.jobs where id = any (v_ids) and status in ('pending', 'processing'));
  update public.jobs set status = 'processing' where id = any (v_ids) and status = 'pending';
  for v_job in select * from public.jobs where id = any (v_ids) loop
    perform public.job_fail(v_job, c_error);
  end loop;
  -- As many as `jobs_storage_keys` names of each: uploads, an order and a result an attempt, and the six that a worker makes.
  select count(*), coalesce(sum(
      coalesce(jsonb_array_length(raw_paths), starts_with(raw_path, 'raw/')::integer, 0)
      + 2 * attempt + case when attempt > 0 then 6 else 0 end
    ), 0) into v_jobs, v_objects
    from public.jobs where user_id = p_user_id and erased_at is null;
  insert into public.removals (job_id, keys, due_at)
  select job_id, jsonb_build_array(raw_path), public.instant() from public.uploads
    where user_id = p_user_id and claimed_at is null
  on conflict (job_id) do update set keys = excluded.keys, due_at = excluded.due_at, is_last = false;
  get diagnostics v_unclaimed = row_count;
  delete from public.uploads where user_id = p_user_id;
  get diagnostics v_uploads = row_count;
  v_objects := v_objects + v_unclaimed;
  v_receipt := jsonb_build_object(
    'receipt_id', public.account_forget(p_user_id, v_jobs, v_uploads, v_objects),
    'jobs', v_jobs, 'uploads', v_uploads, 'objects', v_objects
  );
  v_ended := public.account_erase_step(p_user_id);
  if v_ended and (
    exists (select from public.jobs where user_id = p_user_id and erased_at is null)
    or exists (select from public.jobs where user_id = p_user_id and erased_at is not null)
    or exists (select from public.credit_ledger where user_id = p_user_id)
    or exists (select from public.user_credits where user_id = p_user_id)
  ) then
    raise exception 'row level security keeps rows from the owner of the tables' using errcode = 'insufficient_privilege';
  end if;
  if p_actor is not null then
    perform public.operator_event_add('account.erase', p_actor, null, null, v_receipt);
  end if;
  if v_ids <> '{}' then  -- the places are free at the next tick
    perform public.queue_lock();
    perform public.counter_add('jobs_ended', 'failed', cardinality(v_ids));
    perform public.counter_add('failures', 'EXECUTOR_CANCELLED', cardinality(v_ids));
  end if;
  return v_receipt || jsonb_build_object('outcome', 'erased');
end $$;

-- What operators' commands call: the act, and the event with it.
create function public.operator_credits_grant(p_user_id uuid, p_amount integer, p_actor text) returns jsonb
language plpgsql set search_path = '' as $$
begin
  perform public.operator_event_add('credits.grant', p_actor, p_user_id, null, jsonb_build_object('amount', p_amount));
  return public.credits_grant(p_user_id, p_amount);
end $$;

create function public.operator_job_retry(
  p_job_id uuid, p_attempt integer, p_error jsonb, p_max_inflight integer, p_lease_s integer, p_max_attempts integer,
  p_actor text
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_ended constant jsonb := public.job_retry_now(
    p_job_id, p_attempt, p_error, p_max_inflight, p_lease_s, p_max_attempts
  );
begin
  if v_ended ->> 'outcome' in ('retrying', 'failed') then
    perform public.operator_event_add('job.retry', p_actor, user_id, id, jsonb_build_object(
      'attempt', p_attempt, 'outcome', v_ended -> 'outcome'
    )) from public.jobs where id = p_job_id;
  end if;
  return v_ended;
end $$;

create function public.operator_job_end(
  p_job_id uuid, p_error jsonb, p_max_inflight integer, p_lease_s integer, p_max_attempts integer, p_actor text
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_ended constant jsonb := public.job_end(p_job_id, p_error, p_max_inflight, p_lease_s, p_max_attempts);
begin
  if v_ended ->> 'outcome' = 'failed' then
    perform public.operator_event_add('job.end', p_actor, user_id, id, null) from public.jobs where id = p_job_id;
  end if;
  return v_ended;
end $$;

revoke all on function
  public.job_for_operator(public.jobs), public.jobs_search(text, uuid, integer), public.job_inspect(uuid),
  public.job_retry_now(uuid, integer, jsonb, integer, integer, integer),
  public.job_end(uuid, jsonb, integer, integer, integer)
  from public, anon, authenticated;
grant execute on function
  public.job_for_operator(public.jobs), public.jobs_search(text, uuid, integer), public.job_inspect(uuid),
  public.job_retry_now(uuid, integer, jsonb, integer, integer, integer),
  public.job_end(uuid, jsonb, integer, integer, integer)
  to service_role;

-- A fingerprint of each key, kept at its first use. The functions present those of their rings as the header
-- `x-rythmiq-keys` of the call that they make anyway.

create table public.key_fingerprints (
  ring text not null check (ring in ('encryption', 'dispatch')),
  kid integer not null check (kid between 1 and 65535),
  fingerprint text not null check (fingerprint ~ '^[0-9a-f]{16}$'),
  first_used_at timestamptz not null,
  -- to the minute: when a function last came with this key in its ring, and when with this key as the first of it
  seen_at timestamptz not null,
  current_at timestamptz not null,
  retired_at timestamptz,
  primary key (ring, kid)
);
alter table public.key_fingerprints enable row level security;
alter table public.key_fingerprints force row level security;
revoke all on table public.key_fingerprints from public, anon, authenticated, service_role;
grant select, insert, update on public.key_fingerprints to service_role;

-- What a key is, and that it is retired, stays as it is.
create function public.key_fingerprints_guard() returns trigger
language plpgsql set search_path = '' as $$
begin
  if (new.ring, new.kid, new.fingerprint, new.first_used_at)
    is distinct from (old.ring, old.kid, old.fingerprint, old.first_used_at)
    or (old.retired_at is not null and new.retired_at is distinct from old.retired_at)
  then
    raise exception 'a fingerprint is fixed at the first use of its key' using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger key_fingerprints_guard before update on public.key_fingerprints
  for each row execute function public.key_fingerprints_guard();

-- Compares the rings that the caller presents, [[kid, fingerprint], ...] by ring, the current key first: `refuse` before
-- something is wrapped or sealed, `note` at every other change, which a tick without work makes too. Once a transaction.
-- A current key that was never used is kept. No lock is waited for: who finds one leaves the note to its holder.
create function public.keys_presented() returns trigger
language plpgsql set search_path = '' as $$
declare
  c_refuses constant boolean := tg_argv[0] = 'refuse';
  v_presented text;
  v_key record;
  v_now constant timestamptz := public.instant();
begin
  v_presented := nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-rythmiq-keys';
  if v_presented is null or current_setting('rythmiq.keys_presented', true) in ('refuse', tg_argv[0]) then
    return new;
  end if;
  for v_key in
    select r.key as ring, (e.value ->> 0)::integer as kid, e.value ->> 1 as presented, e.place = 1 as is_current,
        k.fingerprint, k.seen_at, k.current_at, k.retired_at
      from jsonb_each(v_presented::jsonb) r
      cross join lateral jsonb_array_elements(r.value) with ordinality e (value, place)
      left join public.key_fingerprints k on k.ring = r.key and k.kid = (e.value ->> 0)::integer
  loop
    if v_key.fingerprint <> v_key.presented or (v_key.is_current and v_key.retired_at is not null) then
      continue when not c_refuses;
      raise exception '%_KEYS: key % %', upper(v_key.ring), v_key.kid, case
        when v_key.fingerprint <> v_key.presented then 'is not the one of its first use'
        else 'is retired and stands first' end
        using errcode = 'RK001';
    elsif v_key.fingerprint is null then
      if v_key.is_current and pg_try_advisory_xact_lock(7298301106) then
        insert into public.key_fingerprints (ring, kid, fingerprint, first_used_at, seen_at, current_at)
          values (v_key.ring, v_key.kid, v_key.presented, v_now, v_now, v_now) on conflict do nothing;
      end if;
    elsif least(v_key.seen_at, case when v_key.is_current then v_key.current_at end) < v_now - interval '1 minute'
      and pg_try_advisory_xact_lock(7298301106)
    then
      update public.key_fingerprints set
        seen_at = v_now, current_at = case when v_key.is_current then v_now else current_at end
        where ring = v_key.ring and kid = v_key.kid;
    end if;
  end loop;
  perform set_config('rythmiq.keys_presented', tg_argv[0], true);
  return new;
end $$;
create trigger keys_presented before insert on public.uploads
  for each statement execute function public.keys_presented('refuse');
create trigger keys_presented before insert on public.jobs
  for each statement execute function public.keys_presented('refuse');
create trigger keys_noted before update on public.jobs
  for each statement execute function public.keys_presented('note');
create trigger keys_of_a_start before update on public.jobs
  for each row when (new.started_at is distinct from old.started_at)
  execute function public.keys_presented('refuse');

-- For operators: what is known of each key, and how many rows are wrapped under each kid, with one of them. It reads every
-- row once.
create function public.key_state() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'keys', (
      select coalesce(jsonb_agg(to_jsonb(k) order by k.ring, k.first_used_at, k.kid), '[]') from public.key_fingerprints k
    ),
    'rows', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'kid', w.kid, 'count', w.rows, 'user_id', split_part(w.sample, ' ', 1),
        'wrapped_key', split_part(w.sample, ' ', 2)
      ) order by w.kid), '[]')
      from (
        select kid, count(*) as rows, min(user_id || ' ' || wrapped_key) as sample
        from (
          select kid, user_id, wrapped_key from public.jobs where kid is not null
          union all
          select input_kid, user_id, input_wrapped_key from public.jobs where input_kid is not null
          union all
          select kid, user_id, wrapped_key from public.uploads where kid is not null
        ) wrapped
        group by kid
      ) w
    )
  )
$$;

revoke all on function public.key_fingerprints_guard(), public.keys_presented(), public.key_state()
  from public, anon, authenticated, service_role;
grant execute on function public.key_state() to service_role;

revoke all on function
  public.hmac_sha256(bytea, bytea), public.account_mac(uuid), public.account_is_erased(uuid),
  public.account_refuse_erased(uuid), public.caller_refuse_erased(),
  public.account_forget(uuid, integer, integer, integer), public.account_erase_step(uuid),
  public.account_export(uuid, text),
  public.account_erase(uuid, text), public.operator_event_add(text, text, uuid, uuid, jsonb),
  public.operator_events_list(integer), public.operator_credits_grant(uuid, integer, text),
  public.operator_job_retry(uuid, integer, jsonb, integer, integer, integer, text),
  public.operator_job_end(uuid, jsonb, integer, integer, integer, text)
  from public, anon, authenticated, service_role;
grant execute on function public.caller_refuse_erased() to authenticated;
grant execute on function
  public.account_is_erased(uuid), public.account_refuse_erased(uuid),
  public.account_forget(uuid, integer, integer, integer), public.account_erase_step(uuid),
  public.account_export(uuid, text),
  public.account_erase(uuid, text), public.operator_event_add(text, text, uuid, uuid, jsonb),
  public.operator_events_list(integer), public.operator_credits_grant(uuid, integer, text),
  public.operator_job_retry(uuid, integer, jsonb, integer, integer, integer, text),
  public.operator_job_end(uuid, jsonb, integer, integer, integer, text)
  to service_role;
