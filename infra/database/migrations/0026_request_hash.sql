-- A request's hash stays when its job is erased. It was an unsalted SHA-256, by which a guess could be confirmed; now it is an
-- HMAC under a key of the ring, and a call brings one for each key: the job keeps the first, any of them finds it again. A
-- call of the release before brings one.

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
  -- what `account_forget` takes away besides, from a job that is erased
  c_owners constant text[] := array['user_id', 'idempotency_key', 'request_hash'];
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

-- The job that an equal call made; `p_otherwise` when the calls are not equal.
create or replace function public.job_replay(p_job public.jobs, p_request_hash text, p_otherwise text) returns jsonb
language sql immutable set search_path = '' as $$
  select case
    when p_job.request_hash = any (string_to_array(p_request_hash, ' '))
    then jsonb_build_object('outcome', 'replayed', 'job_id', p_job.id, 'status', p_job.status)
    else jsonb_build_object('outcome', p_otherwise)
  end
$$;
