-- Calls, bytes and waiting polls of a user are limited, in the row of `user_credits` that those calls lock anyway. For the
-- release before nothing changes: without the new arguments there are no limits.

alter table public.user_credits
  add column bytes_today bigint not null default 0 check (bytes_today >= 0),
  add column posts_until timestamptz,
  add column polls timestamptz[] not null default '{}';

-- Counts a job that failed of its input; how many that are today, this one among them.
create or replace function public.failure_add(p_user_id uuid) returns integer
language sql set search_path = '' as $$
  update public.user_credits set
    failures_today = case when usage_day = public.usage_today() then failures_today else 0 end + 1,
    bytes_today = case when usage_day = public.usage_today() then bytes_today else 0 end,
    usage_day = public.usage_today()
  where user_id = p_user_id
  returning failures_today
$$;

-- Counts bytes that a user announces, unless they would be more than `p_most` today; whether they are counted.
create function public.bytes_add(p_user_id uuid, p_bytes bigint, p_most bigint) returns boolean
language plpgsql set search_path = '' as $$
begin
  update public.user_credits set
    bytes_today = case when usage_day = public.usage_today() then bytes_today else 0 end + p_bytes,
    failures_today = case when usage_day = public.usage_today() then failures_today else 0 end,
    usage_day = public.usage_today()
  where user_id = p_user_id and (
    p_most is null or p_bytes + case when usage_day = public.usage_today() then bytes_today else 0 end <= p_most
  );
  return found;
end $$;

-- Takes a token of a user's bucket, which holds `p_burst` and gets `p_per_minute`: {rate: {is_admitted, remaining, reset_s,
-- retry_after_s}}, `reset_s` being until it is full. A call that is refused takes none. Without limits {}.
create function public.post_admit(p_user_id uuid, p_burst integer, p_per_minute integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := public.instant();
  v_token_s constant numeric := 60.0 / p_per_minute;
  v_full_s numeric;
  v_is_admitted boolean;
begin
  if p_burst is null or p_per_minute is null then
    return '{}';
  end if;
  select coalesce(greatest(extract(epoch from posts_until - v_now), 0), 0) into v_full_s
    from public.user_credits where user_id = p_user_id for update;
  if not found then
    perform public.credits_open(p_user_id, null);
    v_full_s := 0;
  end if;
  v_is_admitted := round(v_full_s / v_token_s, 3) + 1 <= p_burst;
  if v_is_admitted then
    v_full_s := v_full_s + v_token_s;
    update public.user_credits set posts_until = v_now + v_full_s * interval '1 second' where user_id = p_user_id;
  end if;
  return jsonb_build_object('rate', jsonb_build_object(
    'is_admitted', v_is_admitted,
    'remaining', greatest(floor(p_burst - round(v_full_s / v_token_s, 3)), 0),
    'reset_s', ceil(round(v_full_s, 3)),
    'retry_after_s', greatest(ceil(round(v_full_s - (p_burst - 1) * v_token_s, 3)), 1)
  ));
end $$;

-- Takes one of the `p_most` places in which a user's polls wait; until when it is taken, null when none is free. A place whose
-- holder died is free again then.
create function public.poll_enter(p_user_id uuid, p_seconds double precision, p_most integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := public.instant();
  v_until constant timestamptz := v_now + make_interval(secs => p_seconds);
begin
  update public.user_credits set polls = array(select until from unnest(polls) until where until > v_now) || v_until
    where user_id = p_user_id and (select count(*) from unnest(polls) until where until > v_now) < p_most;
  return case when found then to_jsonb(v_until) end;
end $$;

-- Gives a place back.
create function public.poll_leave(p_user_id uuid, p_until timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
begin
  update public.user_credits
    set polls = polls[:array_position(polls, p_until) - 1] || polls[array_position(polls, p_until) + 1:]
    where user_id = p_user_id and p_until = any (polls);
  return to_jsonb(found);
end $$;

drop function
  public.upload_create(uuid, uuid, text, text, bigint, integer, text, timestamptz, integer), public.upload_get(uuid, uuid),
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer, jsonb, jsonb);

-- found (not claimed yet) or claimed, with the row; unknown, also when it is another's; or rate_limited.
create function public.upload_get(
  p_user_id uuid, p_job_id uuid, p_rate_burst integer default null, p_rate_per_minute integer default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_upload public.uploads;
  v_rate constant jsonb := public.post_admit(p_user_id, p_rate_burst, p_rate_per_minute);
begin
  if v_rate #> '{rate,is_admitted}' = 'false' then
    return v_rate || jsonb_build_object('outcome', 'rate_limited', 'upload', null);
  end if;
  select * into v_upload from public.uploads where job_id = p_job_id and user_id = p_user_id;
  if v_upload.job_id is null then
    return v_rate || jsonb_build_object('outcome', 'unknown', 'upload', null);
  end if;
  return v_rate || jsonb_build_object(
    'outcome', case when v_upload.claimed_at is null then 'found' else 'claimed' end,
    'upload', public.upload_document(v_upload)
  );
end $$;

-- created, with the row; or what there is already, as `upload_get` has it; or too_many, so that nobody fills the store
-- with what no job claims: an unclaimed upload counts for a day; or daily_limit: all uploads count for their day (UTC); or
-- rate_limited, before all others. Where there are limits, `rate` says what is left.
create function public.upload_create(
  p_job_id uuid, p_user_id uuid, p_raw_path text, p_mime_type text, p_size_bytes bigint, p_kid integer,
  p_wrapped_key text, p_created_at timestamptz, p_initial_credits integer, p_rate_burst integer default null,
  p_rate_per_minute integer default null, p_max_bytes_a_day bigint default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_most_unclaimed constant integer := 100;
  v_upload public.uploads;
  v_rate jsonb;
begin
  if not exists (select from public.user_credits where user_id = p_user_id and opened_at is not null) then
    perform public.credits_open(p_user_id, p_initial_credits);
  end if;
  perform from public.user_credits where user_id = p_user_id for update;  -- those who count, one after the other
  v_rate := public.post_admit(p_user_id, p_rate_burst, p_rate_per_minute);
  if v_rate #> '{rate,is_admitted}' = 'false' then
    return v_rate || jsonb_build_object('outcome', 'rate_limited', 'upload', null);
  end if;
  if (
    select count(*) from public.uploads
    where user_id = p_user_id and claimed_at is null and created_at > public.instant() - interval '24 hours'
  ) >= c_most_unclaimed then
    return v_rate || jsonb_build_object('outcome', 'too_many', 'upload', null);
  end if;
  if exists (select from public.uploads where job_id = p_job_id) then
    return v_rate || public.upload_get(p_user_id, p_job_id);
  end if;
  if not public.bytes_add(p_user_id, p_size_bytes, p_max_bytes_a_day) then
    return v_rate || jsonb_build_object('outcome', 'daily_limit', 'upload', null);
  end if;
  insert into public.uploads (job_id, user_id, raw_path, mime_type, size_bytes, kid, wrapped_key, created_at)
  values (p_job_id, p_user_id, p_raw_path, p_mime_type, p_size_bytes, p_kid, p_wrapped_key, p_created_at)
  returning * into v_upload;
  return v_rate || jsonb_build_object('outcome', 'created', 'upload', public.upload_document(v_upload));
end $$;

-- Refusals in this order: too many calls a minute, a key that has a job already, portal, options, several where one is due,
-- upload, an upload that has a job already, sealed beside plain, object, size, how many are active, credit. An equal request
-- is the same job before all but the first of them. The user's credits are locked before anything is looked at, so that
-- equal calls come one after the other. Several uploads are claimed together or not at all, by the job of the first one's id.
create function public.job_create(
  p_user_id uuid, p_job_id uuid, p_document_id uuid, p_raw_path text, p_artifact_url text, p_object_bytes bigint,
  p_portal text, p_slot text, p_portal_version text, p_mime_type text, p_original_filename text, p_options jsonb,
  p_kid integer, p_wrapped_key text, p_idempotency_key text, p_request_hash text, p_max_active_jobs integer,
  p_initial_credits integer, p_max_inflight integer, p_lease_s integer, p_max_attempts integer,
  p_raw_paths jsonb default null, p_objects_bytes jsonb default null, p_rate_burst integer default null,
  p_rate_per_minute integer default null
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
  v_rate jsonb;
begin
  perform public.credits_open(p_user_id, p_initial_credits);
  v_rate := public.post_admit(p_user_id, p_rate_burst, p_rate_per_minute);
  if v_rate #> '{rate,is_admitted}' = 'false' then
    return v_rate || jsonb_build_object('outcome', 'rate_limited');
  end if;

  if p_idempotency_key is not null then
    select * into v_twin from public.jobs where user_id = p_user_id and idempotency_key = p_idempotency_key;
    if v_twin.id is not null then
      return v_rate || public.job_replay(v_twin, p_request_hash, 'idempotency_mismatch');
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
        return v_rate || v_claimed;
      end if;
    end if;
  end if;

  p_portal := coalesce((select portal from public.portal_aliases where alias = p_portal), p_portal);
  select array_agg(slot order by slot), min(version) into v_slots, v_version from public.portal_schemas
    where portal = p_portal and case when p_portal_version is null then is_current else version = p_portal_version end;
  if v_slots is null or p_slot <> all (v_slots) then
    return v_rate || jsonb_build_object('outcome', 'portal_unknown');
  end if;
  if p_slot is null and cardinality(v_slots) > 1 then
    return v_rate || jsonb_build_object('outcome', 'slot_required');
  end if;
  select public.options_refused(p_options, schema_definition) into v_refused from public.portal_schemas
    where portal = p_portal and slot = coalesce(p_slot, v_slots[1]) and version = v_version;
  if v_refused <> '[]' then
    return v_rate || jsonb_build_object('outcome', 'option_refused', 'refused', v_refused);
  end if;
  if p_raw_paths is not null and not exists (
    select from public.portal_schemas
    where portal = p_portal and slot = coalesce(p_slot, v_slots[1]) and version = v_version
      and (schema_definition ->> 'output_format' = 'pdf' or schema_definition -> 'formats' ? 'pdf')
  ) then
    return v_rate || jsonb_build_object('outcome', 'several_refused');
  end if;

  if v_paths is not null then
    if exists (select from unnest(v_uploads) u where u.job_id is null) then
      return v_rate || jsonb_build_object('outcome', 'upload_unknown');
    end if;
    if v_claimed is not null then
      return v_rate || v_claimed;
    end if;
    if (select count(distinct u.kid is null) from unnest(v_uploads) u) > 1 then
      return v_rate || jsonb_build_object('outcome', 'mixed_encryption');
    end if;
    v_job_id := v_upload.job_id;
  elsif p_raw_path is not null then
    select j.* into v_source from public.documents d join public.jobs j on j.id = d.job_id
      where d.document_id = public.key_id(p_raw_path) and d.user_id = p_user_id and j.erased_at is null;
    if v_source.id is null then
      return v_rate || jsonb_build_object('outcome', 'upload_unknown');
    end if;
  end if;
  if coalesce(p_raw_path, p_raw_paths ->> 0) is not null and array_position(v_bytes, null) is not null then
    return v_rate || jsonb_build_object('outcome', 'object_missing');
  end if;
  if exists (
    select from generate_subscripts(v_uploads, 1) i
    where v_bytes[i] > v_uploads[i].size_bytes + (case when v_uploads[i].kid is null then 0 else c_sealed_bytes end)
  ) then
    return v_rate || jsonb_build_object('outcome', 'too_large');
  end if;
  if (
    select count(*) from (
      select from public.queue where user_id = p_user_id limit p_max_active_jobs
    ) active
  ) >= p_max_active_jobs then
    return v_rate || jsonb_build_object('outcome', 'too_many_jobs');
  end if;
  if (select balance from public.user_credits where user_id = p_user_id) < 1 then
    return v_rate || jsonb_build_object('outcome', 'no_credit');
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
  return v_rate || jsonb_build_object(
    'outcome', 'created', 'job_id', v_job_id,
    'status', (select status from public.jobs where id = v_job_id), 'started', v_started
  );
end $$;

revoke all on function
  public.bytes_add(uuid, bigint, bigint), public.post_admit(uuid, integer, integer),
  public.poll_enter(uuid, double precision, integer), public.poll_leave(uuid, timestamptz),
  public.upload_create(uuid, uuid, text, text, bigint, integer, text, timestamptz, integer, integer, integer, bigint),
  public.upload_get(uuid, uuid, integer, integer),
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer, jsonb, jsonb, integer, integer)
  from public, anon, authenticated;
grant execute on function
  public.bytes_add(uuid, bigint, bigint), public.post_admit(uuid, integer, integer),
  public.poll_enter(uuid, double precision, integer), public.poll_leave(uuid, timestamptz),
  public.upload_create(uuid, uuid, text, text, bigint, integer, text, timestamptz, integer, integer, integer, bigint),
  public.upload_get(uuid, uuid, integer, integer),
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer, jsonb, jsonb, integer, integer)
  to service_role;
