-- Guests: what an anonymous user is granted, and what is added once when the account is linked to an address. For the
-- release before nothing changes: without `p_is_guest` nobody is a guest.

alter table public.user_credits add column is_guest boolean not null default false;
alter table public.credit_ledger
  add column granted_as text check (granted_as is null or kind = 'grant');  -- what each user gets once: initial, guest, linked
create unique index credit_ledger_once on public.credit_ledger (user_id, granted_as) where granted_as is not null;

drop function
  public.credits_open(uuid, integer), public.account_open(uuid, integer),
  public.upload_create(uuid, uuid, text, text, bigint, integer, text, timestamptz, integer, integer, integer, bigint),
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer, jsonb, jsonb, integer, integer);

-- Locks a user's credits; at the first call that says how many, grants them. Who was a guest then and is none any more is
-- granted what a guest got less, once.
create function public.credits_open(p_user_id uuid, p_initial_credits integer, p_is_guest boolean default false)
returns void
language plpgsql set search_path = '' as $$
declare
  v_opened_at timestamptz;
  v_is_guest boolean;
  v_amount integer := p_initial_credits;
  v_label text := case when p_is_guest then 'guest' else 'initial' end;
begin
  insert into public.user_credits (user_id) values (p_user_id) on conflict (user_id) do nothing;
  select opened_at, is_guest into v_opened_at, v_is_guest from public.user_credits
    where user_id = p_user_id for update;
  if p_initial_credits is null or (v_opened_at is not null and (p_is_guest or not v_is_guest)) then
    return;
  end if;
  if v_opened_at is not null then
    v_label := 'linked';
    v_amount := v_amount - coalesce(
      (select amount from public.credit_ledger where user_id = p_user_id and granted_as = 'guest'), 0
    );
  end if;
  update public.user_credits set opened_at = coalesce(opened_at, public.instant()), is_guest = p_is_guest
    where user_id = p_user_id;
  if v_amount > 0 then
    perform public.credits_add(p_user_id, v_amount, v_label);
  end if;
end $$;

create or replace function public.credits_add(p_user_id uuid, p_amount integer, p_label text) returns void
language sql set search_path = '' as $$
  insert into public.credit_ledger (user_id, kind, amount, created_at, granted_as)
  values (p_user_id, 'grant', p_amount, public.instant(), nullif(p_label, 'operator'));
  select public.counter_add('credits_granted', p_label, p_amount)
$$;

-- Credits and the latest 50 entries. An operator who looks grants nothing: `p_initial_credits` is null then.
create function public.account_open(p_user_id uuid, p_initial_credits integer, p_is_guest boolean default false)
returns jsonb
language plpgsql set search_path = '' as $$
begin
  if p_initial_credits is not null and not exists (
    select from public.user_credits where user_id = p_user_id and opened_at is not null and (p_is_guest or not is_guest)
  ) then
    perform public.credits_open(p_user_id, p_initial_credits, p_is_guest);
  end if;
  return public.account_of(p_user_id);
end $$;

-- created, with the row; or what there is already, as `upload_get` has it; or too_many, so that nobody fills the store
-- with what no job claims: an unclaimed upload counts for a day; or daily_limit: all uploads count for their day (UTC); or
-- rate_limited, before all others. Where there are limits, `rate` says what is left.
create function public.upload_create(
  p_job_id uuid, p_user_id uuid, p_raw_path text, p_mime_type text, p_size_bytes bigint, p_kid integer,
  p_wrapped_key text, p_created_at timestamptz, p_initial_credits integer, p_rate_burst integer default null,
  p_rate_per_minute integer default null, p_max_bytes_a_day bigint default null, p_is_guest boolean default false
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_most_unclaimed constant integer := 100;
  v_upload public.uploads;
  v_rate jsonb;
begin
  perform public.credits_open(p_user_id, p_initial_credits, p_is_guest);  -- those who count, one after the other
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
  p_rate_per_minute integer default null, p_is_guest boolean default false
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
  perform public.credits_open(p_user_id, p_initial_credits, p_is_guest);
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
  public.credits_open(uuid, integer, boolean), public.account_open(uuid, integer, boolean),
  public.upload_create(uuid, uuid, text, text, bigint, integer, text, timestamptz, integer, integer, integer, bigint,
                       boolean),
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer, jsonb, jsonb, integer, integer, boolean)
  from public, anon, authenticated;
grant execute on function
  public.credits_open(uuid, integer, boolean), public.account_open(uuid, integer, boolean),
  public.upload_create(uuid, uuid, text, text, bigint, integer, text, timestamptz, integer, integer, integer, bigint,
                       boolean),
  public.job_create(uuid, uuid, uuid, text, text, bigint, text, text, text, text, text, jsonb, integer, text, text,
                    text, integer, integer, integer, integer, integer, jsonb, jsonb, integer, integer, boolean)
  to service_role;
