-- DELETE /jobs/{id}: a waiting job is cancelled, an ended one is erased. Its row stays for the ledger.

-- Every storage key that may hold something of a job, and nothing of another's (its source may be a shared master).
-- What a worker may have left without telling is among them. The names are those of rythmiq.contracts.keys; a test
-- holds the two together.
create function public.job_storage_keys(p_job public.jobs) returns jsonb
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

-- cancelled (with the next step), erasable (with what to remove first), processing, gone (erased before) or unknown.
create function public.job_delete(
  p_user_id uuid, p_job_id uuid, p_max_inflight integer, p_lease_s integer, p_max_attempts integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_ended jsonb;
begin
  select * into v_job from public.jobs where id = p_job_id and user_id = p_user_id for update;
  if v_job.id is null then
    return jsonb_build_object('outcome', 'unknown', 'keys', jsonb '[]');
  elsif v_job.erased_at is not null then
    return jsonb_build_object('outcome', 'gone', 'keys', jsonb '[]');
  elsif v_job.status = 'processing' then
    return jsonb_build_object('outcome', 'processing', 'keys', jsonb '[]');
  elsif v_job.status <> 'pending' then
    return jsonb_build_object('outcome', 'erasable', 'keys', public.job_storage_keys(v_job));
  end if;
  update public.jobs set status = 'processing' where id = p_job_id returning * into v_job;
  perform public.job_fail(v_job, jsonb_build_object(
    'code', 'EXECUTOR_CANCELLED', 'stage', 'dispatch', 'message', 'the owner cancelled the job before it started',
    'retryable', true, 'detail', null
  ));
  v_ended := public.job_ended('failed', 'EXECUTOR_CANCELLED', null, null, p_max_inflight, p_lease_s, p_max_attempts);
  return jsonb_build_object('outcome', 'cancelled', 'keys', jsonb '[]', 'work', v_ended -> 'work');
end $$;

-- Takes everything personal from an ended job: names, keys, receipt, figures. Whose it was, what was charged and how it
-- ended stay. Repeating it changes nothing.
create function public.job_erase(p_user_id uuid, p_job_id uuid) returns jsonb
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
    warnings = '[]', artifacts = null, metrics = null, receipt = null,
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

revoke all on function
  public.job_storage_keys(public.jobs), public.job_delete(uuid, uuid, integer, integer, integer),
  public.job_erase(uuid, uuid)
  from public, anon, authenticated;
grant execute on function
  public.job_storage_keys(public.jobs), public.job_delete(uuid, uuid, integer, integer, integer),
  public.job_erase(uuid, uuid)
  to service_role;
