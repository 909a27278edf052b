-- The erasure of an account is bounded in each call and goes on in ticks, however many jobs there are: the account is refused
-- from the first call on, its receipt says what there was. `executor_ref`, by which an executor's host may know a job,
-- goes with a job that is erased. The release before goes on.

-- Accounts whose erasure has begun and goes on. Gone when it has ended; until then their rows have the old id.
create table public.erasures (
  user_id uuid primary key,
  other_id uuid not null unique default gen_random_uuid(),
  due_at timestamptz not null
);
alter table public.erasures enable row level security;
alter table public.erasures force row level security;
revoke all on table public.erasures from public, anon, authenticated, service_role;
create index erasures_due on public.erasures (due_at);
-- what is left to be moved of an account; the others are in `jobs_of_user`
create index jobs_erased_of_user on public.jobs (user_id) where erased_at is not null;

grant select on public.erasures to service_role;

create or replace function public.jobs_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
  -- what erasure may take away; everything else of a terminal job stays as it is
  c_erasable constant text[] := array[
    'raw_path', 'raw_paths', 'artifact_url', 'mime_type', 'original_filename', 'options', 'kid', 'wrapped_key',
    'input_kid', 'input_wrapped_key', 'quality_score', 'conforms', 'warnings', 'advice', 'artifacts', 'hashes',
    'metrics', 'receipt', 'error_details', 'executor_ref', 'erased_at', 'row_version', 'updated_at'
  ];
  c_wrapped constant text[] := array['kid', 'wrapped_key', 'input_kid', 'input_wrapped_key'];
  -- what the erasure of an account takes away besides, from a job that is erased
  c_owners constant text[] := array['user_id', 'idempotency_key', 'request_hash', 'executor_ref'];
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

-- Every storage key that may hold something of a job, and nothing of another's (its source may be a shared master), for many
-- jobs at a time: one plan for all. What a worker may have left without telling is among them. The names are those of
-- rythmiq.contracts.keys; a test holds the two together.
create function public.jobs_storage_keys(p_job_ids uuid[]) returns table (job_id uuid, keys jsonb)
language sql stable set search_path = '' as $$
  with asked as (
    select
      j.id, j.raw_path, j.raw_paths, j.artifacts, j.attempt,
      'raw/' || j.user_id || '/' || j.id || '/' as raw,
      'output/' || j.user_id || '/' || j.id || '/' as output,
      'master/' || j.user_id || '/' || j.document_id || '/' || j.document_id || '.enc' as master,
      case when j.kid is null then '' else '.enc' end as suffix,
      to_char(j.dispatched_at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') as dispatched,
      to_char(j.created_at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') as created,
      case when j.raw_paths is not null then 'pdf'
        else case coalesce(kept.rules ->> 'output_format', kept.rules -> 'formats' ->> 0, 'jpeg')
          when 'png' then 'png' when 'pdf' then 'pdf' else 'jpg' end
      end as extension
    from public.jobs j
    join public.portal_schemas s on s.portal = j.portal and s.slot = j.slot and s.version = j.portal_version
    left join public.rules r on r.hash = j.rules_hash
    cross join lateral (select coalesce(r.schema_definition, s.schema_definition) as rules) kept
    where j.id = any (p_job_ids)
  ), found as (
    select id, raw_path as key from asked where starts_with(raw_path, 'raw/')
    union
    select id, jsonb_array_elements_text(raw_paths) from asked
    union
    select id, value from asked, jsonb_each_text(coalesce(artifacts, '{}'))
    union
    select id, unnest(array[
      raw || 'dispatch-a' || of_attempt || '.json.enc', output || 'result-a' || of_attempt || '.json.enc'
    ]) from asked, generate_series(1, attempt) of_attempt
    union
    select id, unnest(array[
      master,
      output || 'preview.jpg' || suffix,
      output || 'before.jpg' || suffix,
      output || dispatched || '_text.txt' || suffix,
      output || dispatched || '_document.' || extension || suffix,
      output || created || '_output.zip' || suffix
    ]) from asked where attempt > 0
  )
  select id, jsonb_agg(key order by key) from found where key is not null group by id
$$;

create or replace function public.job_storage_keys(p_job public.jobs) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce((select keys from public.jobs_storage_keys(array[p_job.id])), '[]')
$$;

-- Takes everything personal from ended jobs: names, keys, receipt, figures. Whose they were, what was charged and how they
-- ended stay. What somebody may still write, a worker that nobody waits for or its owner by an open signature, is swept.
create function public.jobs_erase(p_job_ids uuid[], p_due_at timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.removals (job_id, keys, due_at)
  select own.job_id, own.keys, p_due_at from public.jobs_storage_keys(p_job_ids) own
  on conflict (job_id) do update set keys = excluded.keys, due_at = excluded.due_at, is_last = false;
  update public.jobs set
    raw_path = null, raw_paths = null, artifact_url = null, mime_type = null, original_filename = null, options = '{}',
    kid = null, wrapped_key = null, input_kid = null, input_wrapped_key = null, quality_score = null, conforms = null,
    warnings = '[]', advice = '[]', artifacts = null, hashes = null, metrics = null, receipt = null, executor_ref = null,
    error_details = case status when 'failed' then jsonb_build_object(
      'code', error_details -> 'code', 'stage', error_details -> 'stage', 'retryable', error_details -> 'retryable'
    ) end,
    erased_at = public.instant()
  where id = any (p_job_ids) and status in ('completed', 'failed') and erased_at is null;
  delete from public.documents where job_id = any (p_job_ids);
end $$;

-- Erases one ended job. Repeating it changes nothing.
create or replace function public.job_erase(p_user_id uuid, p_job_id uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_paths text[];
begin
  select array(select jsonb_array_elements_text(coalesce(j.raw_paths, jsonb_build_array(j.raw_path)))) into v_paths
    from public.jobs j
    where id = p_job_id and user_id = p_user_id and status in ('completed', 'failed') and erased_at is null
    for update of j;
  if not found then
    return jsonb_build_object('outcome', 'unchanged');
  end if;
  perform public.jobs_erase(array[p_job_id], public.instant() + interval '1 hour');
  delete from public.uploads where job_id = p_job_id
    or (claimed_by = p_job_id and job_id = any (array(select public.key_id(path) from unnest(v_paths) path)));
  return jsonb_build_object('outcome', 'erased');
end $$;

-- Whether the caller's account is being erased: its rows are nobody's to read then.
create function public.caller_is_leaving() returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.erasures where user_id = auth.uid())
$$;
alter policy own_uploads on public.uploads
  using (user_id = (select auth.uid()) and not (select public.caller_is_leaving()));
alter policy own_jobs on public.jobs
  using (user_id = (select auth.uid()) and not (select public.caller_is_leaving()));
alter policy own_documents on public.documents
  using (user_id = (select auth.uid()) and not (select public.caller_is_leaving()));
alter policy own_ledger on public.credit_ledger
  using (user_id = (select auth.uid()) and not (select public.caller_is_leaving()));

drop function public.account_forget(uuid, integer, integer, integer);
-- Refuses an account of which nothing runs from now on, keeps an HMAC of its id, and answers the receipt's id. Its rows follow
-- by `account_erase_step`, under a fresh id. Not told, and whoever calls cannot choose it: nobody takes over what another
-- has left.
create function public.account_forget(p_user_id uuid, p_jobs integer, p_uploads integer, p_objects integer) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  v_receipt_id constant uuid := gen_random_uuid();
  v_other_id uuid;
begin
  if exists (
      select from public.jobs where user_id = p_user_id and status in ('pending', 'processing') and erased_at is null
    )
    or exists (select from public.uploads where user_id = p_user_id)
  then
    raise exception 'an account is forgotten when nothing of it runs or waits' using errcode = 'check_violation';
  end if;
  insert into public.account_key (key) values (
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
  ) on conflict do nothing;
  insert into public.erased_accounts (mac, receipt_id, jobs, uploads, objects, erased_at)
  values (public.account_mac(p_user_id), v_receipt_id, p_jobs, p_uploads, p_objects, public.instant());
  insert into public.erasures (user_id, due_at) values (p_user_id, public.instant()) returning other_id into v_other_id;
  perform set_config('rythmiq.forgotten', p_user_id::text, true);
  update public.user_credits set user_id = v_other_id where user_id = p_user_id;
  perform set_config('rythmiq.forgotten', '', true);
  return v_receipt_id;
end $$;

-- Erases up to 500 jobs of an account whose erasure has begun, of this one or of the one that waits the longest, and moves as
-- many, with what stands in the books of them, to its other id. Whether it has ended; null where there is none.
create function public.account_erase_step(p_user_id uuid default null) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  c_most constant integer := 500;
  v_user_id uuid;
  v_other_id uuid;
begin
  select user_id, other_id into v_user_id, v_other_id from public.erasures
    where p_user_id is null or user_id = p_user_id order by due_at limit 1 for update skip locked;
  if not found then
    return null;
  end if;
  perform public.jobs_erase(
    array(select id from public.jobs where user_id = v_user_id and erased_at is null limit c_most for update),
    public.instant()
  );
  perform set_config('rythmiq.forgotten', v_user_id::text, true);
  update public.jobs set user_id = v_other_id, idempotency_key = null, request_hash = '', executor_ref = null
    where id = any (array(
      select id from public.jobs where user_id = v_user_id and erased_at is not null limit c_most
    ));
  update public.credit_ledger set user_id = v_other_id
    where id = any (array(select id from public.credit_ledger where user_id = v_user_id limit 3 * c_most));
  perform set_config('rythmiq.forgotten', '', true);
  if exists (select from public.jobs where user_id = v_user_id and erased_at is null)
    or exists (select from public.jobs where user_id = v_user_id and erased_at is not null)
    or exists (select from public.credit_ledger where user_id = v_user_id)
  then
    update public.erasures set due_at = public.instant() where user_id = v_user_id;
    return false;
  end if;
  perform set_config('rythmiq.forgotten', v_user_id::text, true);
  update public.operator_events set user_id = v_other_id where user_id = v_user_id;
  perform set_config('rythmiq.forgotten', '', true);
  delete from public.erasures where user_id = v_user_id;
  return true;
end $$;

-- Begins to erase an account: what waits is cancelled, what runs is fenced (a late webhook finds it ended), and from here on
-- the account is refused. Its jobs are erased in steps, the first at once and the others by ticks; objects go by `removals`,
-- at once and again. What bookkeeping needs stays, without the account's id. `p_actor` is the operator, null for the
-- account's owner. erased, with the receipt; gone, when it was erased before.
create or replace function public.account_erase(p_user_id uuid, p_actor text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_error constant jsonb := jsonb_build_object(
    'code', 'EXECUTOR_CANCELLED', 'stage', 'dispatch', 'message', 'the account was erased', 'retryable', true,
    'detail', null
  );
  v_job public.jobs;
  v_ids uuid[];
  v_jobs integer;
  v_uploads integer;
  v_objects integer;
  v_unclaimed integer;
  v_ended boolean;
  v_receipt jsonb;
begin
  if public.account_is_erased(p_user_id) then
    return jsonb_build_object('outcome', 'gone');
  end if;
  -- First the jobs, as everybody locks them, then the credits: from then on no job and no upload is added.
  v_ids := array(
    select id from public.jobs where user_id = p_user_id and status in ('pending', 'processing') and erased_at is null
  );
  perform from public.jobs where id = any (v_ids) order by id for update;
  perform public.credits_open(p_user_id, null);
  if exists (
    select from public.jobs where user_id = p_user_id and status in ('pending', 'processing') and erased_at is null
      and id <> all (v_ids)
  ) then
    raise exception 'a job was added meanwhile' using errcode = 'lock_not_available';
  end if;
  v_ids := array(select id from public.jobs where id = any (v_ids) and status in ('pending', 'processing'));
  update public.jobs set status = 'processing' where id = any (v_ids) and status = 'pending';
  for v_job in select * from public.jobs where id = any (v_ids) loop
    perform public.job_fail(v_job, c_error);
  end loop;
  -- As many as `jobs_storage_keys` names of each: uploads, an order and a result an attempt, and the six that a worker makes.
  select count(*), coalesce(sum(
      coalesce(jsonb_array_length(raw_paths), starts_with(raw_path, 'raw/')::integer, 0)
      + 2 * attempt + case when attempt > 0 then 6 else 0 end
    ), 0) into v_jobs, v_objects
    from public.jobs where user_id = p_user_id and erased_at is null;
  insert into public.removals (job_id, keys, due_at)
  select job_id, jsonb_build_array(raw_path), public.instant() from public.uploads
    where user_id = p_user_id and claimed_at is null
  on conflict (job_id) do update set keys = excluded.keys, due_at = excluded.due_at, is_last = false;
  get diagnostics v_unclaimed = row_count;
  delete from public.uploads where user_id = p_user_id;
  get diagnostics v_uploads = row_count;
  v_objects := v_objects + v_unclaimed;
  v_receipt := jsonb_build_object(
    'receipt_id', public.account_forget(p_user_id, v_jobs, v_uploads, v_objects),
    'jobs', v_jobs, 'uploads', v_uploads, 'objects', v_objects
  );
  v_ended := public.account_erase_step(p_user_id);
  if v_ended and (
    exists (select from public.jobs where user_id = p_user_id and erased_at is null)
    or exists (select from public.jobs where user_id = p_user_id and erased_at is not null)
    or exists (select from public.credit_ledger where user_id = p_user_id)
    or exists (select from public.user_credits where user_id = p_user_id)
  ) then
    raise exception 'row level security keeps rows from the owner of the tables' using errcode = 'insufficient_privilege';
  end if;
  if p_actor is not null then
    perform public.operator_event_add('account.erase', p_actor, null, null, v_receipt);
  end if;
  if v_ids <> '{}' then  -- the places are free at the next tick
    perform public.queue_lock();
    perform public.counter_add('jobs_ended', 'failed', cardinality(v_ids));
    perform public.counter_add('failures', 'EXECUTOR_CANCELLED', cardinality(v_ids));
  end if;
  return v_receipt || jsonb_build_object('outcome', 'erased');
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
  if v_job.id is null or exists (select from public.erasures where user_id = p_user_id) then
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

-- One bounded step of the reconciler (ports.TickWork); `erasing` says that `account_erase_step` has something to do.
-- `p_max_attempts` is there so that every call takes one capacity.
create or replace function public.jobs_tick(p_max_inflight integer, p_lease_s integer, p_max_attempts integer)
returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_overdue jsonb;
  v_dispatch jsonb;
  v_removals jsonb;
  v_purged jsonb;
begin
  perform public.queue_lock();
  v_overdue := public.jobs_sweep();
  v_dispatch := public.jobs_start_next(p_max_inflight, p_lease_s);
  v_removals := public.removals_next();
  v_purged := public.purge();
  perform public.counter_add('ticks', '', 1);
  insert into public.counters as c (name, value)
  values ('last_tick_ms', floor(extract(epoch from public.instant()) * 1000)::bigint)
  on conflict (name, label) do update set value = greatest(c.value, excluded.value);
  return jsonb_build_object(
    'overdue', v_overdue, 'dispatch', v_dispatch, 'removals', v_removals, 'purged', v_purged,
    'erasing', exists (select from public.erasures)
  );
end $$;

revoke all on function
  public.jobs_storage_keys(uuid[]), public.jobs_erase(uuid[], timestamptz), public.caller_is_leaving(),
  public.account_forget(uuid, integer, integer, integer), public.account_erase_step(uuid)
  from public, anon, authenticated, service_role;
grant execute on function public.caller_is_leaving() to authenticated;
grant execute on function
  public.jobs_storage_keys(uuid[]), public.jobs_erase(uuid[], timestamptz),
  public.account_forget(uuid, integer, integer, integer),
  public.account_erase_step(uuid)
  to service_role;
