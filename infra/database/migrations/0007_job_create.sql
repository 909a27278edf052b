-- POST /jobs in one transaction.

-- The id in the third part of a storage key: the job's of a raw/ key, the document's of a master/ key.
create function public.key_id(p_key text) returns uuid
language sql immutable set search_path = '' as $$
  select case
    when p_key ~ '^(raw|master)/[0-9a-f-]{36}/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/'
    then split_part(p_key, '/', 3)::uuid
  end
$$;

-- Refusals in this order: a key that has a job already, portal, upload, an upload that has a job already, object, size,
-- how many are active, credit. An equal request is the same job before all of them. The user's credits are locked before
-- anything is looked at, so that equal calls come one after the other.
create function public.job_create(
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

  select array_agg(slot order by slot), min(version) into v_slots, v_version from public.portal_schemas
    where portal = p_portal and case when p_portal_version is null then is_current else version = p_portal_version end;
  if v_slots is null or p_slot <> all (v_slots) then
    return jsonb_build_object('outcome', 'portal_unknown');
  end if;
  if p_slot is null and cardinality(v_slots) > 1 then
    return jsonb_build_object('outcome', 'slot_required');
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

-- The job that an equal call made; `p_otherwise` when the calls are not equal.
create function public.job_replay(p_job public.jobs, p_request_hash text, p_otherwise text) returns jsonb
language sql immutable set search_path = '' as $$
  select case
    when p_job.request_hash = p_request_hash
    then jsonb_build_object('outcome', 'replayed', 'job_id', p_job.id, 'status', p_job.status)
    else jsonb_build_object('outcome', p_otherwise)
  end
$$;

revoke all on function
  public.key_id(text), public.job_replay(public.jobs, text, text),
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer)
  from public, anon, authenticated;
grant execute on function
  public.key_id(text), public.job_replay(public.jobs, text, text),
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer)
  to service_role;
