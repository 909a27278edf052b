-- What an attempt leaves for the service is removed once it has settled: its answers name the owner, so that the API can do
-- it, and `removals` does it again when no launcher can store a result any more. `hashes` are the SHA-256 of what the
-- worker made, so that nobody can put an older object in its place. Left out, as the release before does, nothing is known.

alter table public.jobs add column hashes jsonb;
grant select (hashes) on public.jobs to authenticated;

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

create or replace function public.jobs_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
  -- what erasure may take away; everything else of a terminal job stays as it is
  c_erasable constant text[] := array[
    'raw_path', 'raw_paths', 'artifact_url', 'mime_type', 'original_filename', 'options', 'kid', 'wrapped_key',
    'input_kid', 'input_wrapped_key', 'quality_score', 'conforms', 'warnings', 'advice', 'artifacts', 'hashes',
    'metrics', 'receipt', 'error_details', 'erased_at', 'row_version', 'updated_at'
  ];
  c_wrapped constant text[] := array['kid', 'wrapped_key', 'input_kid', 'input_wrapped_key'];
begin
  if tg_op = 'INSERT' then
    if new.status <> 'pending' or new.attempt <> 0 then
      raise exception 'a job starts as pending, before its first attempt' using errcode = 'check_violation';
    end if;
    new.rules_hash := public.rules_keep(new.portal, new.slot, new.portal_version);
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

-- Ends an attempt without a document. While somebody is settling a success of it, only who holds that claim may.
create or replace function public.job_fail_attempt(
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

-- One of the caller's jobs (ports.JobRow); null when it is another's or erased. `overdue` says that a tick is due.
create or replace function public.job_get(p_job_id uuid) returns jsonb
language sql stable set search_path = '' as $$
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
$$;

-- Takes everything personal from an ended job: names, keys, receipt, figures. Whose it was, what was charged and how it
-- ended stay. Repeating it changes nothing. What somebody may still write, a worker that nobody waits for or its owner
-- by an open signature, is swept.
create or replace function public.job_erase(p_user_id uuid, p_job_id uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_keys jsonb;
  v_paths text[];
begin
  select public.job_storage_keys(j),
      array(select jsonb_array_elements_text(coalesce(j.raw_paths, jsonb_build_array(j.raw_path))))
    into v_keys, v_paths
    from public.jobs j
    where id = p_job_id and user_id = p_user_id and status in ('completed', 'failed') and erased_at is null
    for update of j;
  update public.jobs set
    raw_path = null, raw_paths = null, artifact_url = null, mime_type = null, original_filename = null, options = '{}',
    kid = null, wrapped_key = null, input_kid = null, input_wrapped_key = null, quality_score = null, conforms = null,
    warnings = '[]', advice = '[]', artifacts = null, hashes = null, metrics = null, receipt = null,
    error_details = case status when 'failed' then jsonb_build_object(
      'code', error_details -> 'code', 'stage', error_details -> 'stage', 'retryable', error_details -> 'retryable'
    ) end,
    erased_at = public.instant()
  where id = p_job_id and user_id = p_user_id and status in ('completed', 'failed') and erased_at is null;
  if not found then
    return jsonb_build_object('outcome', 'unchanged');
  end if;
  if v_keys <> '[]' then
    perform public.removal_add(p_job_id, v_keys);
  end if;
  delete from public.documents where job_id = p_job_id;
  delete from public.uploads where job_id = p_job_id
    or (claimed_by = p_job_id and job_id = any (array(select public.key_id(path) from unnest(v_paths) path)));
  return jsonb_build_object('outcome', 'erased');
end $$;

drop function public.job_finish(
  uuid, integer, text, double precision, jsonb, jsonb, jsonb, jsonb, boolean, integer, integer, integer, jsonb
);
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

revoke all on function public.job_finish(
  uuid, integer, text, double precision, jsonb, jsonb, jsonb, jsonb, boolean, integer, integer, integer, jsonb, jsonb
) from public, anon, authenticated;
grant execute on function public.job_finish(
  uuid, integer, text, double precision, jsonb, jsonb, jsonb, jsonb, boolean, integer, integer, integer, jsonb, jsonb
) to service_role;
