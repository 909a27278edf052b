-- Deletion that deletes: an upload without a job can be deleted, cancelling a waiting job removes its upload at once, and
-- what an open signature brings back is swept. All this is of the calls that there are: the release before goes on.

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
  return jsonb_build_object('outcome', case when v_keys is null then 'unknown' else 'gone' end,
    'keys', coalesce(v_keys, '[]'));
end $$;

-- cancelled (with its upload's keys, to remove at once, and the next step), erasable (with what to remove first),
-- processing, gone (erased before) or unknown. What a cancelled job was asked for goes with its upload; its row stays
-- visible until a second call erases it.
create or replace function public.job_delete(
  p_user_id uuid, p_job_id uuid, p_max_inflight integer, p_lease_s integer, p_max_attempts integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_keys jsonb;
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
    warnings = '[]', advice = '[]', artifacts = null, metrics = null, receipt = null,
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

revoke all on function public.upload_delete(uuid, uuid) from public, anon, authenticated;
grant execute on function public.upload_delete(uuid, uuid) to service_role;
