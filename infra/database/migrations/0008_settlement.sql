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
  if v_outcome <> 'unknown'
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
  p_max_attempts integer
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
    artifacts = p_artifacts, metrics = p_metrics, receipt = p_receipt, conforms = p_conforms, error_details = null,
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
  return v_ended;
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

-- Processing -> failed, with the refund. What earlier attempts failed of stays in `attempts`.
create function public.job_fail(p_job public.jobs, p_error jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  update public.jobs set
    status = 'failed', stage = p_error ->> 'stage', ended_at = public.instant(), lease_until = null,
    awaiting_dispatch = false, not_before = null, claim = null, claim_until = null,
    error_details = coalesce(error_details, '{}') || p_error
  where id = p_job.id;
  insert into public.credit_ledger (user_id, job_id, kind, amount, created_at)
    values (p_job.user_id, p_job.id, 'refund', 1, public.instant());
  if p_job.attempt > 0 then
    perform public.removal_add(p_job.id, (
      select jsonb_agg('raw/' || p_job.user_id || '/' || p_job.id || '/dispatch-a' || attempt || '.json.enc')
        || to_jsonb('master/' || p_job.user_id || '/' || p_job.document_id || '/' || p_job.document_id || '.enc')
      from generate_series(1, p_job.attempt) attempt
    ));
  end if;
end $$;

-- Ends an attempt without a document. While somebody is settling a success of it, only who holds that claim may.
create function public.job_fail_attempt(
  p_job_id uuid, p_attempt integer, p_error jsonb, p_metrics jsonb, p_retry boolean, p_max_inflight integer,
  p_lease_s integer, p_max_attempts integer, p_claim text default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
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
    perform public.job_fail(v_job, p_error);
  end if;
  if p_metrics is not null then
    perform public.job_measured(v_job, p_metrics, '{}');
  end if;
  v_ended := public.job_ended(
    v_outcome, p_error ->> 'code', p_metrics -> 'stages', v_job.started_at, p_max_inflight, p_lease_s, p_max_attempts
  );
  perform public.counter_add('webhook_results', v_outcome, 1);
  return v_ended;
end $$;

revoke all on function
  public.job_standing(public.jobs, integer), public.report_refused(text),
  public.job_submitted(uuid, integer, text, text), public.job_progress(uuid, integer, text),
  public.job_extend(uuid, integer, integer), public.job_claim_settlement(uuid, integer, uuid, uuid, integer),
  public.job_release_settlement(uuid, text), public.job_measured(public.jobs, jsonb, jsonb),
  public.job_finish(uuid, integer, text, double precision, jsonb, jsonb, jsonb, jsonb, boolean, integer, integer,
                    integer),
  public.job_ended(text, text, jsonb, timestamptz, integer, integer, integer),
  public.job_retry(public.jobs, jsonb), public.removal_add(uuid, jsonb), public.job_fail(public.jobs, jsonb),
  public.job_fail_attempt(uuid, integer, jsonb, jsonb, boolean, integer, integer, integer, text)
  from public, anon, authenticated;
grant execute on function
  public.job_standing(public.jobs, integer), public.report_refused(text),
  public.job_submitted(uuid, integer, text, text), public.job_progress(uuid, integer, text),
  public.job_extend(uuid, integer, integer), public.job_claim_settlement(uuid, integer, uuid, uuid, integer),
  public.job_release_settlement(uuid, text), public.job_measured(public.jobs, jsonb, jsonb),
  public.job_finish(uuid, integer, text, double precision, jsonb, jsonb, jsonb, jsonb, boolean, integer, integer,
                    integer),
  public.job_ended(text, text, jsonb, timestamptz, integer, integer, integer),
  public.job_retry(public.jobs, jsonb), public.removal_add(uuid, jsonb), public.job_fail(public.jobs, jsonb),
  public.job_fail_attempt(uuid, integer, jsonb, jsonb, boolean, integer, integer, integer, text)
  to service_role;
