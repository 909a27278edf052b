-- Credits and uploads.

-- Locks a user's credits; at the first call that says how many, grants them.
create function public.credits_open(p_user_id uuid, p_initial_credits integer) returns void
language plpgsql set search_path = '' as $$
declare
  v_opened_at timestamptz;
begin
  insert into public.user_credits (user_id) values (p_user_id) on conflict (user_id) do nothing;
  select opened_at into v_opened_at from public.user_credits where user_id = p_user_id for update;
  if v_opened_at is null and p_initial_credits is not null then
    update public.user_credits set opened_at = public.instant() where user_id = p_user_id;
    if p_initial_credits > 0 then
      perform public.credits_add(p_user_id, p_initial_credits, 'initial');
    end if;
  end if;
end $$;

create function public.credits_add(p_user_id uuid, p_amount integer, p_label text) returns void
language sql set search_path = '' as $$
  insert into public.credit_ledger (user_id, kind, amount, created_at)
  values (p_user_id, 'grant', p_amount, public.instant());
  select public.counter_add('credits_granted', p_label, p_amount)
$$;

create function public.account_of(p_user_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'balance', coalesce((select balance from public.user_credits where user_id = p_user_id), 0),
    'reserved', coalesce((select reserved from public.user_credits where user_id = p_user_id), 0),
    'entries', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'kind', e.kind, 'amount', e.amount, 'job_id', e.job_id, 'created_at', e.created_at) order by e.id desc), '[]')
      from (
        select id, kind, amount, job_id, created_at from public.credit_ledger
        where user_id = p_user_id order by id desc limit 50
      ) e
    )
  )
$$;

-- Credits and the latest 50 entries. An operator who looks grants nothing: `p_initial_credits` is null then.
create function public.account_open(p_user_id uuid, p_initial_credits integer) returns jsonb
language plpgsql set search_path = '' as $$
begin
  if p_initial_credits is not null
    and not exists (select from public.user_credits where user_id = p_user_id and opened_at is not null)
  then
    perform public.credits_open(p_user_id, p_initial_credits);
  end if;
  return public.account_of(p_user_id);
end $$;

create function public.credits_grant(p_user_id uuid, p_amount integer) returns jsonb
language plpgsql set search_path = '' as $$
begin
  perform public.credits_open(p_user_id, null);
  perform public.credits_add(p_user_id, p_amount, 'operator');
  return public.account_of(p_user_id);
end $$;

create function public.upload_document(p_upload public.uploads) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', p_upload.job_id, 'user_id', p_upload.user_id, 'raw_path', p_upload.raw_path,
    'mime_type', p_upload.mime_type, 'size_bytes', p_upload.size_bytes, 'kid', p_upload.kid,
    'wrapped_key', p_upload.wrapped_key, 'created_at', p_upload.created_at
  )
$$;

-- created, with the row; or what there is already, as `upload_get` has it; or too_many, so that nobody fills the store
-- with what no job claims: an unclaimed upload counts for a day.
create function public.upload_create(
  p_job_id uuid, p_user_id uuid, p_raw_path text, p_mime_type text, p_size_bytes bigint, p_kid integer,
  p_wrapped_key text, p_created_at timestamptz, p_initial_credits integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_most_unclaimed constant integer := 100;
  v_upload public.uploads;
begin
  if not exists (select from public.user_credits where user_id = p_user_id and opened_at is not null) then
    perform public.credits_open(p_user_id, p_initial_credits);
  end if;
  perform from public.user_credits where user_id = p_user_id for update;  -- those who count, one after the other
  if (
    select count(*) from public.uploads
    where user_id = p_user_id and claimed_at is null and created_at > public.instant() - interval '24 hours'
  ) >= c_most_unclaimed then
    return jsonb_build_object('outcome', 'too_many', 'upload', null);
  end if;
  insert into public.uploads (job_id, user_id, raw_path, mime_type, size_bytes, kid, wrapped_key, created_at)
  values (p_job_id, p_user_id, p_raw_path, p_mime_type, p_size_bytes, p_kid, p_wrapped_key, p_created_at)
  on conflict (job_id) do nothing
  returning * into v_upload;
  if v_upload.job_id is null then
    return public.upload_get(p_user_id, p_job_id);
  end if;
  return jsonb_build_object('outcome', 'created', 'upload', public.upload_document(v_upload));
end $$;

-- found (not claimed yet) or claimed, with the row; unknown, also when it is another's.
create function public.upload_get(p_user_id uuid, p_job_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_upload public.uploads;
begin
  select * into v_upload from public.uploads where job_id = p_job_id and user_id = p_user_id;
  if v_upload.job_id is null then
    return jsonb_build_object('outcome', 'unknown', 'upload', null);
  end if;
  return jsonb_build_object(
    'outcome', case when v_upload.claimed_at is null then 'found' else 'claimed' end,
    'upload', public.upload_document(v_upload)
  );
end $$;

revoke all on function
  public.credits_open(uuid, integer), public.credits_add(uuid, integer, text), public.account_of(uuid),
  public.account_open(uuid, integer), public.credits_grant(uuid, integer), public.upload_document(public.uploads),
  public.upload_create(uuid, uuid, text, text, bigint, integer, text, timestamptz, integer),
  public.upload_get(uuid, uuid)
  from public, anon, authenticated;
grant execute on function
  public.credits_open(uuid, integer), public.credits_add(uuid, integer, text), public.account_of(uuid),
  public.account_open(uuid, integer), public.credits_grant(uuid, integer), public.upload_document(public.uploads),
  public.upload_create(uuid, uuid, text, text, bigint, integer, text, timestamptz, integer),
  public.upload_get(uuid, uuid)
  to service_role;
