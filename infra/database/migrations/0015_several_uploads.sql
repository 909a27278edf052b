-- Several photos, one file: a job of several uploads, claimed together in their order; and a text layer, where the slot
-- allows one. The API of the release before goes on on it; a job of several has no `raw_path`, so that an older dispatcher
-- cannot take it for a job of the first alone.

alter table public.uploads add column claimed_by uuid;
grant select (claimed_by) on public.uploads to authenticated;
alter table public.jobs add column raw_paths jsonb;
grant select (raw_paths) on public.jobs to authenticated;
alter table public.jobs drop constraint jobs_one_source;
alter table public.jobs add constraint jobs_one_source
  check (num_nonnulls(raw_path, raw_paths, artifact_url) = 1 or erased_at is not null) not valid;
alter table public.jobs validate constraint jobs_one_source;

create or replace function public.jobs_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
  -- what erasure may take away; everything else of a terminal job stays as it is
  c_erasable constant text[] := array[
    'raw_path', 'raw_paths', 'artifact_url', 'mime_type', 'original_filename', 'options', 'kid', 'wrapped_key',
    'input_kid', 'input_wrapped_key', 'quality_score', 'conforms', 'warnings', 'advice', 'artifacts', 'metrics',
    'receipt', 'error_details', 'erased_at', 'row_version', 'updated_at'
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

-- What a dispatch needs to know of a started job (ports.StartedJob).
create or replace function public.job_started(p_job public.jobs) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', p_job.id, 'user_id', p_job.user_id, 'attempt', p_job.attempt, 'document_id', p_job.document_id,
    'created_at', p_job.created_at, 'dispatched_at', p_job.dispatched_at, 'portal', p_job.portal, 'slot', p_job.slot,
    'portal_version', p_job.portal_version, 'portal_name', s.name, 'schema_definition', s.schema_definition,
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
  from public.portal_schemas s
  where s.portal = p_job.portal and s.slot = p_job.slot and s.version = p_job.portal_version
$$;

-- The options that a slot's rules do not allow: [{option, source}], the source being the one that the rule has, or null.
-- A rule that the stored ones do not know yet allows nothing; `name_date_strip` is what `caption` was called. Background and
-- caption are a photo's, a text layer is a PDF's.
create or replace function public.options_refused(p_options jsonb, p_rules jsonb) returns jsonb
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

drop function public.job_create(
  uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text, text, integer, integer,
  integer, integer, integer
);
-- Refusals in this order: a key that has a job already, portal, options, several where one is due, upload, an upload that
-- has a job already, sealed beside plain, object, size, how many are active, credit. An equal request is the same job
-- before all of them. The user's credits are locked before anything is looked at, so that equal calls come one after the
-- other. Several uploads are claimed together or not at all, by the job of the first one's id.
create function public.job_create(
  p_user_id uuid, p_job_id uuid, p_document_id uuid, p_raw_path text, p_artifact_url text, p_object_bytes bigint,
  p_portal text, p_slot text, p_portal_version text, p_mime_type text, p_original_filename text, p_options jsonb,
  p_kid integer, p_wrapped_key text, p_idempotency_key text, p_request_hash text, p_max_active_jobs integer,
  p_initial_credits integer, p_max_inflight integer, p_lease_s integer, p_max_attempts integer,
  p_raw_paths jsonb default null, p_objects_bytes jsonb default null
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
begin
  perform public.credits_open(p_user_id, p_initial_credits);

  if p_idempotency_key is not null then
    select * into v_twin from public.jobs where user_id = p_user_id and idempotency_key = p_idempotency_key;
    if v_twin.id is not null then
      return public.job_replay(v_twin, p_request_hash, 'idempotency_mismatch');
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
  if p_raw_paths is not null and not exists (
    select from public.portal_schemas
    where portal = p_portal and slot = coalesce(p_slot, v_slots[1]) and version = v_version
      and (schema_definition ->> 'output_format' = 'pdf' or schema_definition -> 'formats' ? 'pdf')
  ) then
    return jsonb_build_object('outcome', 'several_refused');
  end if;

  if v_paths is not null then
    if exists (select from unnest(v_uploads) u where u.job_id is null) then
      return jsonb_build_object('outcome', 'upload_unknown');
    end if;
    if v_claimed is not null then
      return v_claimed;
    end if;
    if (select count(distinct u.kid is null) from unnest(v_uploads) u) > 1 then
      return jsonb_build_object('outcome', 'mixed_encryption');
    end if;
    v_job_id := v_upload.job_id;
  elsif p_raw_path is not null then
    select j.* into v_source from public.documents d join public.jobs j on j.id = d.job_id
      where d.document_id = public.key_id(p_raw_path) and d.user_id = p_user_id and j.erased_at is null;
    if v_source.id is null then
      return jsonb_build_object('outcome', 'upload_unknown');
    end if;
  end if;
  if coalesce(p_raw_path, p_raw_paths ->> 0) is not null and array_position(v_bytes, null) is not null then
    return jsonb_build_object('outcome', 'object_missing');
  end if;
  if exists (
    select from generate_subscripts(v_uploads, 1) i
    where v_bytes[i] > v_uploads[i].size_bytes + (case when v_uploads[i].kid is null then 0 else c_sealed_bytes end)
  ) then
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
  return jsonb_build_object(
    'outcome', 'created', 'job_id', v_job_id,
    'status', (select status from public.jobs where id = v_job_id), 'started', v_started
  );
end $$;
revoke all on function
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer, jsonb, jsonb)
  from public, anon, authenticated;
grant execute on function
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer, jsonb, jsonb)
  to service_role;

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
    select jsonb_array_elements_text(p_job.raw_paths)
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
      select case
        when p_job.raw_paths is not null then 'pdf'
        else case coalesce(schema_definition ->> 'output_format', schema_definition -> 'formats' ->> 0, 'jpeg')
          when 'png' then 'png' when 'pdf' then 'pdf' else 'jpg' end
        end as extension
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
  v_paths text[];
begin
  -- Without the uploads': their names are the owner's, and nobody but the owner could write them again.
  select case when attempt > 0 then public.job_storage_keys(j) - paths end, paths into v_keys, v_paths
    from public.jobs j cross join lateral (
      select array(select jsonb_array_elements_text(coalesce(j.raw_paths, jsonb_build_array(j.raw_path)))) as paths
    ) uploads
    where id = p_job_id and user_id = p_user_id and status in ('completed', 'failed') and erased_at is null
    for update of j;
  update public.jobs set
    raw_path = null, raw_paths = null, artifact_url = null, mime_type = null, original_filename = null, options = '{}',
    kid = null, wrapped_key = null, input_kid = null, input_wrapped_key = null, quality_score = null, conforms = null,
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
  delete from public.uploads where job_id = p_job_id
    or (claimed_by = p_job_id and job_id = any (array(select public.key_id(path) from unnest(v_paths) path)));
  return jsonb_build_object('outcome', 'erased');
end $$;
