-- Who is next: starting jobs within the executor's capacity, fairly between users, and one tick of the reconciler.

-- All who start a job or free a place take this lock first, and keep it until they commit: so nobody overlooks a place
-- that is being freed, or a job that is being queued. Calls are short; who waits longer than this waits for somebody's
-- open session, and is told so (55P03) rather than kept.
create function public.queue_lock() returns void
language sql set search_path = '' set lock_timeout = '5s' as $$ select pg_advisory_xact_lock(7298301105) $$;

-- What a dispatch needs to know of a started job (ports.StartedJob).
create function public.job_started(p_job public.jobs) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', p_job.id, 'user_id', p_job.user_id, 'attempt', p_job.attempt, 'document_id', p_job.document_id,
    'created_at', p_job.created_at, 'dispatched_at', p_job.dispatched_at, 'portal', p_job.portal, 'slot', p_job.slot,
    'portal_version', p_job.portal_version, 'portal_name', s.name, 'schema_definition', s.schema_definition,
    'raw_path', p_job.raw_path, 'artifact_url', p_job.artifact_url, 'mime_type', p_job.mime_type,
    'original_filename', p_job.original_filename, 'options', p_job.options, 'kid', p_job.kid,
    'wrapped_key', p_job.wrapped_key, 'input_kid', p_job.input_kid, 'input_wrapped_key', p_job.input_wrapped_key
  )
  from public.portal_schemas s
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

-- Starts the next job if the executor has room: an attempt that is due, else the oldest pending job of the user who
-- has the fewest in flight. Null when there is no room or nobody waits. Somebody else's lock on the chosen job means
-- that it is being cancelled, and that its canceller goes on from there. What is asked of `jobs` is asked again of the
-- row as it is once it is locked; what is asked of `queue` is not. Loops, not joins: while `jobs` has grown and nobody has
-- counted it yet, a planner may read it from end to end for a join.
create function public.jobs_start_next(p_max_inflight integer, p_lease_s integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_busy uuid[];
  v_next uuid;
  v_id uuid;
begin
  perform public.queue_lock();
  select coalesce(array_agg(user_id), '{}') into v_busy from public.queue where state = 'in_flight';
  if cardinality(v_busy) >= p_max_inflight then
    return null;
  end if;
  for v_next in
    select job_id from public.queue where state = 'awaiting' and due_at <= public.instant() order by due_at
  loop
    select id into v_id from public.jobs where id = v_next and awaiting_dispatch for update skip locked;
    exit when v_id is not null;
  end loop;
  if v_id is null then
    for v_next in
      select job_id from public.queue
      where state = 'pending' and user_id <> all (v_busy) order by created_at, job_id
    loop
      select id into v_id from public.jobs where id = v_next and status = 'pending' for update skip locked;
      exit when v_id is not null;
    end loop;
  end if;
  if v_id is null and cardinality(v_busy) > 0 then
    select oldest.job_id into v_id
      from (select u as user_id, count(*) as jobs from unnest(v_busy) u group by u) b
      cross join lateral (
        select job_id, created_at from public.queue
        where state = 'pending' and user_id = b.user_id order by created_at, job_id limit 1
      ) oldest
      order by b.jobs, oldest.created_at, oldest.job_id limit 1;
    select id into v_id from public.jobs where id = v_id and status = 'pending' for update skip locked;
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

-- Claims at most one job's keys to remove, for ten minutes; `removal_done` says that it was done.
create function public.removal_next() returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_removal public.removals;
  v_now constant timestamptz := public.instant();
begin
  update public.removals set due_at = v_now + interval '10 minutes'
  where job_id = (
    select job_id from public.removals where due_at <= v_now order by due_at limit 1 for update skip locked
  )
  returning * into v_removal;
  return case when v_removal.job_id is not null
    then jsonb_build_object('job_id', v_removal.job_id, 'keys', v_removal.keys) end;
end $$;

create function public.removal_done(p_job_id uuid) returns jsonb
language plpgsql set search_path = '' as $$
begin
  delete from public.removals where job_id = p_job_id and is_last and due_at > public.instant();
  if not found then
    update public.removals set is_last = true, due_at = public.instant() + interval '1 hour'
      where job_id = p_job_id and due_at > public.instant();
  end if;
  return to_jsonb(found);
end $$;

-- One bounded step of the reconciler (ports.TickWork). `p_max_attempts` is there so that every call takes one capacity.
create function public.jobs_tick(p_max_inflight integer, p_lease_s integer, p_max_attempts integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_overdue jsonb;
  v_dispatch jsonb;
  v_removal jsonb;
  v_purged jsonb;
begin
  perform public.queue_lock();
  v_overdue := public.jobs_sweep();
  v_dispatch := public.jobs_start_next(p_max_inflight, p_lease_s);
  v_removal := public.removal_next();
  v_purged := public.purge();
  perform public.counter_add('ticks', '', 1);
  insert into public.counters as c (name, value)
  values ('last_tick_ms', floor(extract(epoch from public.instant()) * 1000)::bigint)
  on conflict (name, label) do update set value = greatest(c.value, excluded.value);
  return jsonb_build_object(
    'overdue', v_overdue, 'dispatch', v_dispatch, 'removal', v_removal, 'purged', v_purged
  );
end $$;

revoke all on function
  public.queue_lock(), public.job_started(public.jobs), public.job_start(uuid, integer),
  public.jobs_start_next(integer, integer), public.jobs_sweep(), public.removal_next(),
  public.removal_done(uuid), public.purge(),
  public.jobs_tick(integer, integer, integer)
  from public, anon, authenticated;
grant execute on function
  public.queue_lock(), public.job_started(public.jobs), public.job_start(uuid, integer),
  public.jobs_start_next(integer, integer), public.jobs_sweep(), public.removal_next(),
  public.removal_done(uuid), public.purge(),
  public.jobs_tick(integer, integer, integer)
  to service_role;
