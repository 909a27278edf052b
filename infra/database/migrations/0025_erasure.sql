-- Accounts can be erased, by their owner or by an operator, and what operators do is written down. The release before goes
-- on; it answers 500 to tokens of an erased account where this one says ACCOUNT_ERASED.

-- What operators did to whom, for good: written by the functions that their commands call, in the same transaction. An
-- erased account's `user_id` is replaced here too.
create table public.operator_events (
  id bigint generated always as identity primary key,
  act text not null check (act ~ '^[a-z]+\.[a-z]+$'),
  actor text,  -- who, as the command says it: a login and a machine
  database_role text not null default session_user,
  user_id uuid,
  job_id uuid,
  details jsonb not null default '{}',
  created_at timestamptz not null
);

-- Whose account was erased, as an HMAC of the id that the account had, so that its tokens stay refused; and what was
-- erased, which is its owner's receipt.
create table public.erased_accounts (
  mac bytea primary key,
  receipt_id uuid not null unique,
  jobs integer not null,
  uploads integer not null,
  objects integer not null,
  erased_at timestamptz not null
);

-- The key of these HMACs, made at the first erasure. No role of the API reads it.
create table public.account_key (
  is_only boolean primary key default true check (is_only),
  key bytea not null
);

do $$
declare
  v_table text;
begin
  foreach v_table in array array['operator_events', 'erased_accounts', 'account_key'] loop
    execute format('alter table public.%I enable row level security', v_table);
    execute format('alter table public.%I force row level security', v_table);
    execute format('revoke all on table public.%I from public, anon, authenticated, service_role', v_table);
  end loop;
end $$;
revoke all on sequence public.operator_events_id_seq from public, anon, authenticated, service_role;
grant select, insert on public.operator_events to service_role;
grant select on public.erased_accounts to service_role;

-- Append-only, but for the id of an erased account: `account_forget` alone replaces it, as the owner of the table.
create or replace function public.refuse_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE'
    and current_setting('rythmiq.forgotten', true) = to_jsonb(old) ->> 'user_id'
    and to_jsonb(new) - 'user_id' = to_jsonb(old) - 'user_id'
    and current_user = pg_get_userbyid((select relowner from pg_class where oid = tg_relid))
  then
    return new;
  end if;
  raise exception '% of % is refused', lower(tg_op), tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger operator_events_append_only before update or delete on public.operator_events
  for each row execute function public.refuse_change();
create trigger operator_events_not_truncated before truncate on public.operator_events
  for each statement execute function public.refuse_change();
create trigger erased_accounts_kept before update or delete on public.erased_accounts
  for each row execute function public.refuse_change();
create trigger erased_accounts_not_truncated before truncate on public.erased_accounts
  for each statement execute function public.refuse_change();
create trigger account_key_kept before update or delete on public.account_key
  for each row execute function public.refuse_change();

-- RFC 2104, since no extension is there to do it.
create function public.hmac_sha256(p_key bytea, p_message bytea) returns bytea
language plpgsql immutable set search_path = '' as $$
declare
  v_key constant bytea := case when length(p_key) > 64 then sha256(p_key) else p_key end;
  v_inner bytea := decode(repeat('36', 64), 'hex');
  v_outer bytea := decode(repeat('5c', 64), 'hex');
begin
  for i in 0 .. length(v_key) - 1 loop
    v_inner := set_byte(v_inner, i, get_byte(v_inner, i) # get_byte(v_key, i));
    v_outer := set_byte(v_outer, i, get_byte(v_outer, i) # get_byte(v_key, i));
  end loop;
  return sha256(v_outer || sha256(v_inner || p_message));
end $$;

-- Null as long as no account was erased.
create function public.account_mac(p_user_id uuid) returns bytea
language sql stable security definer set search_path = '' as $$
  select public.hmac_sha256(key, convert_to(p_user_id::text, 'UTF8')) from public.account_key where is_only
$$;

create function public.account_is_erased(p_user_id uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.erased_accounts where mac = public.account_mac(p_user_id))
$$;

-- Raised where an account has no row of what was asked for, so that others do not pay for it; SQLSTATE RY403 is
-- ACCOUNT_ERASED, whatever was called. An answer would have to be a new outcome of every function.
create function public.account_refuse_erased(p_user_id uuid) returns void
language plpgsql stable set search_path = '' as $$
begin
  if public.account_is_erased(p_user_id) then
    raise exception 'the account has been erased' using errcode = 'RY403';
  end if;
end $$;

-- The same for reads, which run in the caller's own role and learn of the caller alone. Null.
create function public.caller_refuse_erased() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform public.account_refuse_erased(auth.uid());
  return null;
end $$;

-- Replaces the id of an account of which everything else is erased by a fresh one, keeps an HMAC of the old, and answers
-- the receipt's id. Not the new id, and whoever calls cannot choose it: nobody takes over what another has left.
create function public.account_forget(p_user_id uuid, p_jobs integer, p_uploads integer, p_objects integer) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  v_receipt_id constant uuid := gen_random_uuid();
  v_other_id constant uuid := gen_random_uuid();
begin
  if exists (select from public.jobs where user_id = p_user_id and erased_at is null)
    or exists (select from public.uploads where user_id = p_user_id)
    or exists (select from public.documents where user_id = p_user_id)
  then
    raise exception 'an account is forgotten when all of it is erased' using errcode = 'check_violation';
  end if;
  insert into public.account_key (key) values (
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
  ) on conflict do nothing;
  insert into public.erased_accounts (mac, receipt_id, jobs, uploads, objects, erased_at)
  values (public.account_mac(p_user_id), v_receipt_id, p_jobs, p_uploads, p_objects, public.instant());
  perform set_config('rythmiq.forgotten', p_user_id::text, true);
  update public.jobs set user_id = v_other_id, idempotency_key = null, request_hash = '' where user_id = p_user_id;
  update public.credit_ledger set user_id = v_other_id where user_id = p_user_id;
  update public.user_credits set user_id = v_other_id where user_id = p_user_id;
  update public.operator_events set user_id = v_other_id where user_id = p_user_id;
  perform set_config('rythmiq.forgotten', '', true);
  return v_receipt_id;
end $$;

-- Written with what an operator does, in one transaction.
create function public.operator_event_add(
  p_act text, p_actor text, p_user_id uuid, p_job_id uuid, p_details jsonb
) returns jsonb
language plpgsql set search_path = '' as $$
begin
  insert into public.operator_events (act, actor, user_id, job_id, details, created_at)
  values (p_act, p_actor, p_user_id, p_job_id, coalesce(p_details, '{}'), public.instant());
  return 'true';
end $$;

-- The newest events first.
create function public.operator_events_list(p_limit integer) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(to_jsonb(e) order by e.id desc), '[]') from (
    select * from public.operator_events order by id desc limit p_limit
  ) e
$$;

-- All that there is of an account but data keys, which are nobody's: rows, and the names of its objects.
create function public.account_export(p_user_id uuid, p_actor text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_service constant text[] := array[
    'kid', 'wrapped_key', 'input_kid', 'input_wrapped_key', 'request_hash', 'rules_hash', 'claim', 'claim_until'
  ];
begin
  perform public.account_refuse_erased(p_user_id);
  perform public.operator_event_add('account.export', p_actor, p_user_id, null, null);
  return jsonb_build_object(
    'user_id', p_user_id, 'exported_at', public.instant(),
    'credits', (select to_jsonb(c) from public.user_credits c where user_id = p_user_id),
    'credit_ledger', (
      select coalesce(jsonb_agg(to_jsonb(l) order by l.id), '[]') from public.credit_ledger l where user_id = p_user_id
    ),
    'uploads', (
      select coalesce(jsonb_agg(to_jsonb(u) - c_service order by u.created_at, u.job_id), '[]')
      from public.uploads u where user_id = p_user_id
    ),
    'jobs', (
      select coalesce(jsonb_agg(to_jsonb(j) - c_service order by j.created_at, j.id), '[]')
      from public.jobs j where user_id = p_user_id
    ),
    'documents', (
      select coalesce(jsonb_agg(to_jsonb(d) order by d.created_at, d.document_id), '[]')
      from public.documents d where user_id = p_user_id
    ),
    'operator_events', (
      select coalesce(jsonb_agg(to_jsonb(e) order by e.id), '[]')
      from public.operator_events e where user_id = p_user_id
    )
  );
end $$;

-- Erases an account: what waits is cancelled, what runs is fenced (a late webhook finds it ended), each job is erased, and
-- its objects go by `removals`, at once and again. What bookkeeping needs stays, without the account's id. `p_actor` is the
-- operator, null for the account's owner. erased, with the receipt; gone, when it was erased before.
create function public.account_erase(p_user_id uuid, p_actor text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_error constant jsonb := jsonb_build_object(
    'code', 'EXECUTOR_CANCELLED', 'stage', 'dispatch', 'message', 'the account was erased', 'retryable', true,
    'detail', null
  );
  v_job public.jobs;
  v_job_ids uuid[];
  v_upload_ids uuid[];
  v_ended integer := 0;
  v_objects integer := 0;
  v_receipt jsonb;
begin
  if public.account_is_erased(p_user_id) then
    return jsonb_build_object('outcome', 'gone');
  end if;
  -- First the jobs, as everybody locks them, then the credits: from then on no job and no upload is added.
  v_job_ids := array(select id from public.jobs where user_id = p_user_id order by id for update);
  perform public.credits_open(p_user_id, null);
  if (select count(*) from public.jobs where user_id = p_user_id) <> cardinality(v_job_ids) then
    raise exception 'a job was added meanwhile' using errcode = 'lock_not_available';
  end if;
  for v_job in select * from public.jobs where user_id = p_user_id and status in ('pending', 'processing') loop
    if v_job.status = 'pending' then
      update public.jobs set status = 'processing' where id = v_job.id returning * into v_job;
    end if;
    perform public.job_fail(v_job, c_error);
    v_ended := v_ended + 1;
  end loop;
  v_job_ids := array(select id from public.jobs where user_id = p_user_id and erased_at is null);
  v_upload_ids := array(select job_id from public.uploads where user_id = p_user_id);
  perform public.removal_add(job_id, jsonb_build_array(raw_path))
    from public.uploads where user_id = p_user_id and claimed_at is null;
  perform public.job_erase(p_user_id, id) from unnest(v_job_ids) id;
  delete from public.uploads where user_id = p_user_id;
  update public.removals set due_at = public.instant() where job_id = any (v_job_ids || v_upload_ids);
  select coalesce(sum(jsonb_array_length(keys)), 0) into v_objects
    from public.removals where job_id = any (v_job_ids || v_upload_ids);
  v_receipt := jsonb_build_object(
    'receipt_id', public.account_forget(p_user_id, cardinality(v_job_ids), cardinality(v_upload_ids), v_objects),
    'jobs', cardinality(v_job_ids), 'uploads', cardinality(v_upload_ids), 'objects', v_objects
  );
  if exists (select from public.jobs where user_id = p_user_id)
    or exists (select from public.credit_ledger where user_id = p_user_id)
    or exists (select from public.user_credits where user_id = p_user_id)
  then
    raise exception 'row level security keeps rows from the owner of the tables' using errcode = 'insufficient_privilege';
  end if;
  if p_actor is not null then
    perform public.operator_event_add('account.erase', p_actor, null, null, v_receipt);
  end if;
  if v_ended > 0 then  -- the places are free at the next tick
    perform public.queue_lock();
    perform public.counter_add('jobs_ended', 'failed', v_ended);
    perform public.counter_add('failures', 'EXECUTOR_CANCELLED', v_ended);
  end if;
  return v_receipt || jsonb_build_object('outcome', 'erased');
end $$;

-- What operators' commands call: the act, and the event with it.
create function public.operator_credits_grant(p_user_id uuid, p_amount integer, p_actor text) returns jsonb
language plpgsql set search_path = '' as $$
begin
  perform public.operator_event_add('credits.grant', p_actor, p_user_id, null, jsonb_build_object('amount', p_amount));
  return public.credits_grant(p_user_id, p_amount);
end $$;

create function public.operator_job_retry(
  p_job_id uuid, p_attempt integer, p_error jsonb, p_max_inflight integer, p_lease_s integer, p_max_attempts integer,
  p_actor text
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_ended constant jsonb := public.job_retry_now(
    p_job_id, p_attempt, p_error, p_max_inflight, p_lease_s, p_max_attempts
  );
begin
  if v_ended ->> 'outcome' in ('retrying', 'failed') then
    perform public.operator_event_add('job.retry', p_actor, user_id, id, jsonb_build_object(
      'attempt', p_attempt, 'outcome', v_ended -> 'outcome'
    )) from public.jobs where id = p_job_id;
  end if;
  return v_ended;
end $$;

create function public.operator_job_end(
  p_job_id uuid, p_error jsonb, p_max_inflight integer, p_lease_s integer, p_max_attempts integer, p_actor text
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_ended constant jsonb := public.job_end(p_job_id, p_error, p_max_inflight, p_lease_s, p_max_attempts);
begin
  if v_ended ->> 'outcome' = 'failed' then
    perform public.operator_event_add('job.end', p_actor, user_id, id, null) from public.jobs where id = p_job_id;
  end if;
  return v_ended;
end $$;

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

-- Locks a user's credits; at the first call that says how many, grants them. Who was a guest then and is none any more is
-- granted what a guest got less, once.
create or replace function public.credits_open(p_user_id uuid, p_initial_credits integer, p_is_guest boolean default false)
returns void
language plpgsql set search_path = '' as $$
declare
  v_opened_at timestamptz;
  v_is_guest boolean;
  v_is_new boolean;
  v_amount integer := p_initial_credits;
  v_label text := case when p_is_guest then 'guest' else 'initial' end;
begin
  insert into public.user_credits (user_id) values (p_user_id) on conflict (user_id) do nothing;
  v_is_new := found;
  select opened_at, is_guest into v_opened_at, v_is_guest from public.user_credits
    where user_id = p_user_id for update;
  if v_is_new or not found then  -- an erased account has no row
    perform public.account_refuse_erased(p_user_id);
  end if;
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

-- found (not claimed yet) or claimed, with the row; unknown, also when it is another's; or rate_limited.
create or replace function public.upload_get(
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
    perform public.account_refuse_erased(p_user_id);
    return v_rate || jsonb_build_object('outcome', 'unknown', 'upload', null);
  end if;
  return v_rate || jsonb_build_object(
    'outcome', case when v_upload.claimed_at is null then 'found' else 'claimed' end,
    'upload', public.upload_document(v_upload)
  );
end $$;

-- deleted or gone (before, and not swept yet) with the object's key; claimed by a job, or unknown. The key stays in
-- `removals` until no signature of it is open: one that was given out a moment ago holds for an hour at most.
create or replace function public.upload_delete(p_user_id uuid, p_job_id uuid) returns jsonb
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
  if v_keys is null then
    perform public.account_refuse_erased(p_user_id);
  end if;
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
    perform public.account_refuse_erased(p_user_id);
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

-- One of the caller's jobs (ports.JobRow); null when it is another's or erased. `overdue` says that a tick is due.
create or replace function public.job_get(p_job_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce((
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
  ), public.caller_refuse_erased())
$$;

-- The caller's jobs, newest first, after the keyset (p_before_at, p_before_id): a list of ports.JobListRow. Two queries,
-- so that each has an index that gives its order.
create or replace function public.jobs_list(p_status text, p_limit integer, p_before_at timestamptz, p_before_id uuid)
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_before_at constant timestamptz := coalesce(p_before_at, 'infinity');
  v_before_id constant uuid := coalesce(p_before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  v_page jsonb;
begin
  if p_status is null then
    select jsonb_agg(to_jsonb(l) - 'user_id' order by l.created_at desc, l.job_id desc) into v_page from (
      select * from public.job_lines
      where user_id = (select auth.uid()) and (created_at, job_id) < (v_before_at, v_before_id)
      order by created_at desc, job_id desc limit p_limit
    ) l;
  else
    select jsonb_agg(to_jsonb(l) - 'user_id' order by l.created_at desc, l.job_id desc) into v_page from (
      select * from public.job_lines
      where user_id = (select auth.uid()) and status = p_status and (created_at, job_id) < (v_before_at, v_before_id)
      order by created_at desc, job_id desc limit p_limit
    ) l;
  end if;
  if v_page is null and not exists (select from public.job_lines where user_id = (select auth.uid())) then
    perform public.caller_refuse_erased();
  end if;
  return coalesce(v_page, '[]');
end $$;

-- The right to settle a success, for `p_claim_s`. Most duplicates are answered without a lock. Whoever held it before
-- and neither finished nor gave it back died of it: that counts as a failure to package too.
create or replace function public.job_claim_settlement(
  p_job_id uuid, p_attempt integer, p_user_id uuid, p_document_id uuid, p_claim_s integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_outcome text;
  v_now constant timestamptz := public.instant();
begin
  select * into v_job from public.jobs where id = p_job_id;
  if public.job_standing(v_job, p_attempt) = 'current' then
    select * into v_job from public.jobs where id = p_job_id for update;
  end if;
  v_outcome := public.job_standing(v_job, p_attempt);
  if v_outcome <> 'unknown' and v_job.erased_at is null  -- of an erased account's job the owner is not known any more
    and (v_job.user_id, v_job.document_id) is distinct from (p_user_id, p_document_id)
  then
    v_outcome := 'foreign_keys';
  elsif v_outcome = 'current' and v_job.claim_until > v_now then
    v_outcome := 'busy';
  end if;
  if v_outcome <> 'current' then
    perform public.report_refused(v_outcome);
    return jsonb_build_object('outcome', v_outcome);
  end if;
  update public.jobs
    set claim = gen_random_uuid(), claim_until = v_now + make_interval(secs => p_claim_s), stage = 'package',
      packaging_failures = packaging_failures + (case when claim is null then 0 else 1 end)
    where id = p_job_id returning * into v_job;
  return jsonb_build_object('outcome', 'claimed', 'claim', v_job.claim, 'job', jsonb_build_object(
    'job_id', v_job.id, 'user_id', v_job.user_id, 'attempt', v_job.attempt, 'document_id', v_job.document_id,
    'created_at', v_job.created_at, 'dispatched_at', v_job.dispatched_at, 'portal', v_job.portal, 'slot', v_job.slot,
    'kid', v_job.kid, 'wrapped_key', v_job.wrapped_key, 'packaging_failures', v_job.packaging_failures,
    'artifact_names_sealed', v_job.kid is not null
  ));
end $$;

revoke all on function
  public.hmac_sha256(bytea, bytea), public.account_mac(uuid), public.account_is_erased(uuid),
  public.account_refuse_erased(uuid), public.caller_refuse_erased(),
  public.account_forget(uuid, integer, integer, integer), public.account_export(uuid, text),
  public.account_erase(uuid, text), public.operator_event_add(text, text, uuid, uuid, jsonb),
  public.operator_events_list(integer), public.operator_credits_grant(uuid, integer, text),
  public.operator_job_retry(uuid, integer, jsonb, integer, integer, integer, text),
  public.operator_job_end(uuid, jsonb, integer, integer, integer, text)
  from public, anon, authenticated, service_role;
grant execute on function public.caller_refuse_erased() to authenticated;
grant execute on function
  public.account_is_erased(uuid), public.account_refuse_erased(uuid),
  public.account_forget(uuid, integer, integer, integer), public.account_export(uuid, text),
  public.account_erase(uuid, text), public.operator_event_add(text, text, uuid, uuid, jsonb),
  public.operator_events_list(integer), public.operator_credits_grant(uuid, integer, text),
  public.operator_job_retry(uuid, integer, jsonb, integer, integer, integer, text),
  public.operator_job_end(uuid, jsonb, integer, integer, integer, text)
  to service_role;
