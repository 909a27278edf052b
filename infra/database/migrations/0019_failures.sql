-- Failing is not free: jobs that fail of their input are counted by user and day, and from a number on they cost their
-- credit. Retries wait in the queue of first attempts, and take half of the places at most. The uploads of a job that has
-- failed are removed. No function that an API calls changes its meaning for the release before: without
-- `p_max_failures` every failure is refunded.

alter table public.user_credits
  add column usage_day date,
  add column failures_today integer not null default 0 check (failures_today >= 0);
revoke select on public.user_credits from authenticated;
grant select (user_id, balance, reserved, opened_at, updated_at) on public.user_credits to authenticated;

alter table public.queue
  add column is_retry boolean not null default false,  -- an attempt after the first
  add column waits_from timestamptz;  -- who waits to be started: a first attempt since its creation, a retry since it is due
alter table public.jobs no force row level security;  -- an owner whom it binds sees no rows
alter table public.queue no force row level security;
update public.queue q set
  is_retry = exists (select from public.jobs j where j.id = q.job_id and j.attempt > 1),
  waits_from = case state when 'pending' then created_at when 'awaiting' then due_at end;
alter table public.queue force row level security;
alter table public.jobs force row level security;
drop index public.queue_pending, public.queue_due, public.queue_of_user;
create index queue_due on public.queue (state, due_at, user_id, is_retry) where state <> 'pending';
create index queue_of_user on public.queue (user_id, waits_from, job_id, is_retry);
create index queue_waiting on public.queue (waits_from, job_id, user_id, is_retry) where waits_from is not null;

-- `queue` is what `jobs` says is going on, whoever writes `jobs`.
create or replace function public.jobs_queue() returns trigger
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

-- Counts, ages and sums. It reads what is going on from the queue and the rest from the sums: never all jobs.
create or replace function public.metrics_snapshot() returns jsonb
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

-- Today, by which what is limited by the day is counted.
create function public.usage_today() returns date
language sql stable set search_path = '' as $$ select (public.instant() at time zone 'UTC')::date $$;

-- Counts a job that failed of its input; how many that are today, this one among them.
create function public.failure_add(p_user_id uuid) returns integer
language sql set search_path = '' as $$
  update public.user_credits set
    failures_today = case when usage_day = public.usage_today() then failures_today else 0 end + 1,
    usage_day = public.usage_today()
  where user_id = p_user_id
  returning failures_today
$$;

-- Starts the next job if the executor has room. First attempts and retries that are due wait in one queue: next is whoever
-- waits the longest of the users with the fewest in flight. Of the places in flight, retries take half at most; a user
-- whose input made three jobs fail today has one. Null when there is no room or nobody may go. Somebody else's lock on the
-- chosen job means that it is being cancelled, and that its canceller goes on from there. What is asked of `jobs` is asked
-- again of the row as it is once it is locked; what is asked of `queue` is not. Loops, not joins: while `jobs` has grown and
-- nobody has counted it yet, a planner may read it from end to end for a join.
create or replace function public.jobs_start_next(p_max_inflight integer, p_lease_s integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_failures_alone constant integer := 3;
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
    select oldest.job_id into v_id
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
    select id into v_id from public.jobs
      where id = v_id and (status = 'pending' or awaiting_dispatch) for update skip locked;
  end if;
  return public.job_start(v_id, p_lease_s);
end $$;

-- Whether a job failed of what its owner sent: such failures are limited.
create function public.is_failure_of_input(p_error jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(
    p_error ->> 'code' in ('DECODE_FAILED', 'SCHEMA_FAILED', 'SIZE_EXCEEDED', 'OCR_FAILED')
    or (p_error ->> 'code' = 'FETCH_FAILED' and p_error #> '{detail,transient}' is distinct from 'true')
    or (p_error ->> 'code' = 'INTERNAL_ERROR' and p_error #>> '{detail,reason}' in ('hang', 'memory')),
    false
  )
$$;

drop function public.job_fail(public.jobs, jsonb);
-- Processing -> failed, with the refund; from the failure on that is one of its input more than `p_max_failures` today, the
-- credit is spent. Returns whether it is. What earlier attempts failed of stays in `attempts`. The uploads are removed with
-- what the attempts may have left: no other job can be made from them.
create function public.job_fail(p_job public.jobs, p_error jsonb, p_max_failures integer default null) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_charged boolean := false;
  v_keys jsonb;
begin
  update public.jobs set
    status = 'failed', stage = p_error ->> 'stage', ended_at = public.instant(), lease_until = null,
    awaiting_dispatch = false, not_before = null, claim = null, claim_until = null,
    error_details = coalesce(error_details, '{}') || p_error
  where id = p_job.id;
  if public.is_failure_of_input(p_error) then
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

drop function public.job_fail_attempt(uuid, integer, jsonb, jsonb, boolean, integer, integer, integer, text);
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
  return v_ended;
end $$;

-- A waiting job's place in the fair order, and when it may start, as far as it can be foretold; and whether a tick would find something to do.
-- The queue is everybody's, so this sees past RLS, and tells the owner of the job two small facts. Bounded: it looks at
-- the oldest 500 waiting jobs and at those of the same user.
create or replace function public.queue_state(p_job_id uuid) returns jsonb
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
create or replace function public.job_get(p_job_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', j.id, 'status', j.status, 'stage', j.stage, 'attempt', j.attempt, 'portal', j.portal, 'slot', j.slot,
    'portal_version', j.portal_version, 'document_id', j.document_id, 'quality_score', j.quality_score,
    'warnings', j.warnings, 'advice', j.advice,
    'error', case j.status when 'failed' then j.error_details - 'attempts' end,
    'metrics', j.metrics, 'receipt', j.receipt, 'conforms', j.conforms, 'artifacts', j.artifacts,
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
$$;

revoke all on function
  public.usage_today(), public.failure_add(uuid), public.is_failure_of_input(jsonb),
  public.job_fail(public.jobs, jsonb, integer),
  public.job_fail_attempt(uuid, integer, jsonb, jsonb, boolean, integer, integer, integer, text, integer)
  from public, anon, authenticated;
grant execute on function
  public.usage_today(), public.failure_add(uuid), public.is_failure_of_input(jsonb),
  public.job_fail(public.jobs, jsonb, integer),
  public.job_fail_attempt(uuid, integer, jsonb, jsonb, boolean, integer, integer, integer, text, integer)
  to service_role;
