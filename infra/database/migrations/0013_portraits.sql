-- What portraits need: options that a slot's rules allow or refuse, other names of portals, what is advised in a form that
-- a page can translate, and the picture of before. The API of the release before goes on on it: nothing that it calls
-- takes another argument, unless that may be left out.

-- Names that lead to the newest version of a portal; the seed writes them.
create table public.portal_aliases (
  alias text primary key,
  portal text not null
);
alter table public.portal_aliases enable row level security;
alter table public.portal_aliases force row level security;
revoke all on table public.portal_aliases from public, anon, authenticated, service_role;
create policy portal_aliases_are_public on public.portal_aliases for select to authenticated using (true);
grant select on public.portal_aliases to authenticated, service_role;

alter table public.jobs add column advice jsonb not null default '[]';
grant select (advice) on public.jobs to authenticated;

create or replace function public.jobs_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
  -- what erasure may take away; everything else of a terminal job stays as it is
  c_erasable constant text[] := array[
    'raw_path', 'artifact_url', 'mime_type', 'original_filename', 'options', 'kid', 'wrapped_key', 'input_kid',
    'input_wrapped_key', 'quality_score', 'conforms', 'warnings', 'advice', 'artifacts', 'metrics', 'receipt',
    'error_details', 'erased_at', 'row_version', 'updated_at'
  ];
  c_wrapped constant text[] := array['kid', 'wrapped_key', 'input_kid', 'input_wrapped_key'];
begin
  if tg_op = 'INSERT' then
    if new.status <> 'pending' or new.attempt <> 0 then
      raise exception 'a job starts as pending, before its first attempt' using errcode = 'check_violation';
    end if;
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
        new.raw_path, new.artifact_url, new.original_filename, new.wrapped_key, new.input_wrapped_key,
        new.artifacts::text, new.receipt::text
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
    if (new.id, new.user_id, new.document_id, new.portal, new.slot, new.portal_version, new.created_at)
      is distinct from
      (old.id, old.user_id, old.document_id, old.portal, old.slot, old.portal_version, old.created_at)
    then
      raise exception 'whose job it is, and what for, is fixed' using errcode = 'check_violation';
    end if;
  end if;
  new.row_version := old.row_version + 1;
  new.updated_at := public.instant();
  return new;
end $$;

-- The options that a slot's rules do not allow: [{option, source}], the source being the one that the rule has, or null.
-- A rule that the stored ones do not know yet allows nothing; `name_date_strip` is what `caption` was called.
create function public.options_refused(p_options jsonb, p_rules jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('option', o.name, 'source', o.source) order by o.name), '[]')
  from (values
    ('background', p_rules ->> 'background_edit' = 'allowed', p_rules #> '{sources,background_edit}'),
    (
      'caption', coalesce(p_rules ->> 'caption' <> 'none', p_rules ->> 'name_date_strip' = 'true'),
      coalesce(p_rules #> '{sources,caption}', p_rules #> '{sources,name_date_strip}')
    )
  ) o (name, is_allowed, source)
  where jsonb_typeof(p_options -> o.name) <> 'null'
    and (o.is_allowed and coalesce(p_rules ->> 'kind', 'auto') in ('photo', 'auto')) is not true
$$;
revoke all on function public.options_refused(jsonb, jsonb) from public, anon, authenticated;
grant execute on function public.options_refused(jsonb, jsonb) to service_role;

-- Refusals in this order: a key that has a job already, portal, options, upload, an upload that has a job already, object,
-- size, how many are active, credit. An equal request is the same job before all of them. The user's credits are locked before
-- anything is looked at, so that equal calls come one after the other.
create or replace function public.job_create(
  p_user_id uuid, p_job_id uuid, p_document_id uuid, p_raw_path text, p_artifact_url text, p_object_bytes bigint,
  p_portal text, p_slot text, p_portal_version text, p_mime_type text, p_original_filename text, p_options jsonb,
  p_kid integer, p_wrapped_key text, p_idempotency_key text, p_request_hash text, p_max_active_jobs integer,
  p_initial_credits integer, p_max_inflight integer, p_lease_s integer, p_max_attempts integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_sealed_bytes constant integer := 124;  -- what RQE1 adds
  v_is_upload constant boolean := coalesce(starts_with(p_raw_path, 'raw/'), false);
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
begin
  perform public.credits_open(p_user_id, p_initial_credits);

  if p_idempotency_key is not null then
    select * into v_twin from public.jobs where user_id = p_user_id and idempotency_key = p_idempotency_key;
    if v_twin.id is not null then
      return public.job_replay(v_twin, p_request_hash, 'idempotency_mismatch');
    end if;
  end if;
  if v_is_upload then
    select * into v_upload from public.uploads
      where job_id = public.key_id(p_raw_path) and user_id = p_user_id and raw_path = p_raw_path for update;
    if v_upload.claimed_at is not null then
      select * into v_twin from public.jobs where id = v_upload.job_id;
      v_claimed := public.job_replay(v_twin, p_request_hash, 'upload_claimed');
      if v_claimed ->> 'outcome' = 'replayed' then
        return v_claimed;
      end if;
    end if;
  end if;

  p_portal := coalesce((select portal from public.portal_aliases where alias = p_portal), p_portal);
  select array_agg(slot order by slot), min(version) into v_slots, v_version from public.portal_schemas
    where portal = p_portal and case when p_portal_version is null then is_current else version = p_portal_version end;
  if v_slots is null or p_slot <> all (v_slots) then
    return jsonb_build_object('outcome', 'portal_unknown');
  end if;
  if p_slot is null and cardinality(v_slots) > 1 then
    return jsonb_build_object('outcome', 'slot_required');
  end if;
  select public.options_refused(p_options, schema_definition) into v_refused from public.portal_schemas
    where portal = p_portal and slot = coalesce(p_slot, v_slots[1]) and version = v_version;
  if v_refused <> '[]' then
    return jsonb_build_object('outcome', 'option_refused', 'refused', v_refused);
  end if;

  if v_is_upload then
    if v_upload.job_id is null then
      return jsonb_build_object('outcome', 'upload_unknown');
    end if;
    if v_claimed is not null then
      return v_claimed;
    end if;
    v_job_id := v_upload.job_id;
  elsif p_raw_path is not null then
    select j.* into v_source from public.documents d join public.jobs j on j.id = d.job_id
      where d.document_id = public.key_id(p_raw_path) and d.user_id = p_user_id and j.erased_at is null;
    if v_source.id is null then
      return jsonb_build_object('outcome', 'upload_unknown');
    end if;
  end if;
  if p_raw_path is not null and p_object_bytes is null then
    return jsonb_build_object('outcome', 'object_missing');
  end if;
  if p_object_bytes > v_upload.size_bytes + (case when v_upload.kid is null then 0 else c_sealed_bytes end) then
    return jsonb_build_object('outcome', 'too_large');
  end if;
  if (
    select count(*) from (
      select from public.queue where user_id = p_user_id limit p_max_active_jobs
    ) active
  ) >= p_max_active_jobs then
    return jsonb_build_object('outcome', 'too_many_jobs');
  end if;
  if (select balance from public.user_credits where user_id = p_user_id) < 1 then
    return jsonb_build_object('outcome', 'no_credit');
  end if;

  if v_is_upload then
    p_kid := v_upload.kid;
    p_wrapped_key := v_upload.wrapped_key;
  elsif v_source.id is not null and v_source.kid is null then
    -- A master in plaintext makes a job in plaintext: the worker opens all objects of a job, or none.
    p_kid := null;
    p_wrapped_key := null;
  end if;
  insert into public.jobs (
    id, user_id, document_id, portal, slot, portal_version, raw_path, artifact_url, mime_type, original_filename,
    options, idempotency_key, request_hash, kid, wrapped_key, input_kid, input_wrapped_key, created_at, updated_at
  ) values (
    v_job_id, p_user_id, p_document_id, p_portal, coalesce(p_slot, v_slots[1]), v_version, p_raw_path, p_artifact_url,
    coalesce(p_mime_type, v_upload.mime_type), p_original_filename, coalesce(p_options, '{}'), p_idempotency_key,
    p_request_hash, p_kid, p_wrapped_key, v_source.kid, v_source.wrapped_key, v_now, v_now
  );
  insert into public.credit_ledger (user_id, job_id, kind, amount, created_at)
    values (p_user_id, v_job_id, 'reserve', -1, v_now);
  if v_is_upload then
    update public.uploads set claimed_at = v_now where job_id = v_job_id;
  end if;
  v_started := public.jobs_start_next(p_max_inflight, p_lease_s);
  perform public.counter_add('jobs_created', '', 1);
  return jsonb_build_object(
    'outcome', 'created', 'job_id', v_job_id,
    'status', (select status from public.jobs where id = v_job_id), 'started', v_started
  );
end $$;

-- Processing -> completed: the credit, the figures and the document go with it, in one transaction. Only who holds the
-- claim may; a claim that has run out still counts as long as nobody else has taken it.
drop function public.job_finish(
  uuid, integer, text, double precision, jsonb, jsonb, jsonb, jsonb, boolean, integer, integer, integer
);
create function public.job_finish(
  p_job_id uuid, p_attempt integer, p_claim text, p_quality_score double precision, p_warnings jsonb,
  p_artifacts jsonb, p_metrics jsonb, p_receipt jsonb, p_conforms boolean, p_max_inflight integer, p_lease_s integer,
  p_max_attempts integer, p_advice jsonb default '[]'
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
    advice = coalesce(p_advice, '[]'), artifacts = p_artifacts, metrics = p_metrics, receipt = p_receipt, conforms = p_conforms, error_details = null,
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
revoke all on function
  public.job_finish(uuid, integer, text, double precision, jsonb, jsonb, jsonb, jsonb, boolean, integer, integer,
                    integer, jsonb)
  from public, anon, authenticated;
grant execute on function
  public.job_finish(uuid, integer, text, double precision, jsonb, jsonb, jsonb, jsonb, boolean, integer, integer,
                    integer, jsonb)
  to service_role;

create or replace function public.job_get(p_job_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', j.id, 'status', j.status, 'stage', j.stage, 'attempt', j.attempt, 'portal', j.portal, 'slot', j.slot,
    'portal_version', j.portal_version, 'document_id', j.document_id, 'quality_score', j.quality_score,
    'warnings', j.warnings, 'advice', j.advice,
    'error', case j.status when 'failed' then j.error_details - 'attempts' end,
    'metrics', j.metrics, 'receipt', j.receipt, 'conforms', j.conforms, 'artifacts', j.artifacts,
    'sealed', j.kid is not null,
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

create or replace function public.job_storage_keys(p_job public.jobs) returns jsonb
language sql stable set search_path = '' as $$
  with names as (
    select
      'raw/' || p_job.user_id || '/' || p_job.id || '/' as raw,
      'output/' || p_job.user_id || '/' || p_job.id || '/' as output,
      case when p_job.kid is null then '' else '.enc' end as suffix,
      to_char(p_job.dispatched_at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') as dispatched,
      to_char(p_job.created_at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') as created
  ), keys as (
    select p_job.raw_path as key where starts_with(p_job.raw_path, 'raw/')
    union
    select value from jsonb_each_text(coalesce(p_job.artifacts, '{}'))
    union
    select unnest(array[
      raw || 'dispatch-a' || attempt || '.json.enc', output || 'result-a' || attempt || '.json.enc'
    ]) from names, generate_series(1, p_job.attempt) attempt
    union
    select unnest(array[
      'master/' || p_job.user_id || '/' || p_job.document_id || '/' || p_job.document_id || '.enc',
      output || 'preview.jpg' || suffix,
      output || 'before.jpg' || suffix,
      output || dispatched || '_text.txt' || suffix,
      output || dispatched || '_document.' || s.extension || suffix,
      output || created || '_output.zip' || suffix
    ])
    from names, (
      select case coalesce(schema_definition ->> 'output_format', schema_definition -> 'formats' ->> 0, 'jpeg')
        when 'png' then 'png' when 'pdf' then 'pdf' else 'jpg' end as extension
      from public.portal_schemas
      where portal = p_job.portal and slot = p_job.slot and version = p_job.portal_version
    ) s
    where p_job.attempt > 0
  )
  select coalesce(jsonb_agg(key order by key), '[]') from keys where key is not null
$$;

create or replace function public.job_erase(p_user_id uuid, p_job_id uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_keys jsonb;
begin
  -- Without the upload's: its name is the owner's, and nobody but the owner could write it again.
  select jsonb_path_query_array(public.job_storage_keys(j), '$[*] ? (!(@ == $raw))', jsonb_build_object('raw', j.raw_path))
    into v_keys from public.jobs j
    where id = p_job_id and user_id = p_user_id and status in ('completed', 'failed') and erased_at is null
      and attempt > 0
    for update;
  update public.jobs set
    raw_path = null, artifact_url = null, mime_type = null, original_filename = null, options = '{}', kid = null,
    wrapped_key = null, input_kid = null, input_wrapped_key = null, quality_score = null, conforms = null,
    warnings = '[]', advice = '[]', artifacts = null, metrics = null, receipt = null,
    error_details = case status when 'failed' then jsonb_build_object(
      'code', error_details -> 'code', 'stage', error_details -> 'stage', 'retryable', error_details -> 'retryable'
    ) end,
    erased_at = public.instant()
  where id = p_job_id and user_id = p_user_id and status in ('completed', 'failed') and erased_at is null;
  if not found then
    return jsonb_build_object('outcome', 'unchanged');
  end if;
  if v_keys is not null then
    perform public.removal_add(p_job_id, v_keys);
  end if;
  delete from public.documents where job_id = p_job_id;
  delete from public.uploads where job_id = p_job_id;
  return jsonb_build_object('outcome', 'erased');
end $$;
