-- What holds whoever writes: the state machine, what is append-only, and credits that follow the ledger.

-- The present instant. Everything asks here, so that a test can set the clock of its own database.
create function public.instant() returns timestamptz
language sql stable set search_path = '' as $$ select pg_catalog.now() $$;

create function public.jobs_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
  -- what erasure may take away; everything else of a terminal job stays as it is
  c_erasable constant text[] := array[
    'raw_path', 'artifact_url', 'mime_type', 'original_filename', 'options', 'kid', 'wrapped_key', 'input_kid',
    'input_wrapped_key', 'quality_score', 'conforms', 'warnings', 'artifacts', 'metrics', 'receipt', 'error_details',
    'erased_at', 'row_version', 'updated_at'
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
        new.raw_path, new.artifact_url, new.original_filename, new.wrapped_key, new.input_wrapped_key,
        new.artifacts::text, new.receipt::text
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
create trigger jobs_guard before insert or update on public.jobs for each row execute function public.jobs_guard();

-- `queue` is what `jobs` says is going on, whoever writes `jobs`.
create function public.jobs_queue() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_state constant text := case
    when new.status = 'pending' then 'pending' when new.awaiting_dispatch then 'awaiting' else 'in_flight'
  end;
  v_due_at constant timestamptz := case v_state
    when 'awaiting' then new.not_before when 'in_flight' then new.lease_until
  end;
begin
  if tg_op = 'INSERT' then
    insert into public.queue (job_id, user_id, created_at, state, due_at)
    values (new.id, new.user_id, new.created_at, v_state, v_due_at);
  elsif new.status in ('completed', 'failed') then
    delete from public.queue where job_id = new.id;
  else
    update public.queue set state = v_state, due_at = v_due_at
    where job_id = new.id and (state, due_at) is distinct from (v_state, v_due_at);
  end if;
  return null;
end $$;
create trigger jobs_queue after insert or update of status, awaiting_dispatch, lease_until, not_before on public.jobs
  for each row execute function public.jobs_queue();

create function public.refuse_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception '% of % is refused', lower(tg_op), tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger jobs_kept before delete on public.jobs for each row execute function public.refuse_change();
create trigger jobs_not_truncated before truncate on public.jobs
  for each statement execute function public.refuse_change();
create trigger credit_ledger_append_only before update or delete on public.credit_ledger
  for each row execute function public.refuse_change();
create trigger credit_ledger_not_truncated before truncate on public.credit_ledger
  for each statement execute function public.refuse_change();
create trigger cpu_usage_append_only before update or delete on public.cpu_usage
  for each row execute function public.refuse_change();
create trigger cpu_usage_not_truncated before truncate on public.cpu_usage
  for each statement execute function public.refuse_change();
create trigger user_credits_not_truncated before truncate on public.user_credits
  for each statement execute function public.refuse_change();

-- An entry and what it does to the sums are one statement: they cannot disagree. The CHECKs refuse to overdraw.
create function public.credit_ledger_sums() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_reserved constant integer := case new.kind when 'reserve' then 1 when 'grant' then 0 else -1 end;
begin
  update public.user_credits
    set balance = balance + new.amount, reserved = reserved + v_reserved, updated_at = public.instant()
    where user_id = new.user_id;
  if not found then
    insert into public.user_credits (user_id, balance, reserved) values (new.user_id, new.amount, v_reserved);
  end if;
  return null;
end $$;
create trigger credit_ledger_sums after insert on public.credit_ledger
  for each row execute function public.credit_ledger_sums();

-- Sums that somebody sets by hand would no longer be the ledger's: only its trigger gets past these.
create trigger user_credits_start_empty before insert on public.user_credits
  for each row when (pg_trigger_depth() = 0 and (new.balance <> 0 or new.reserved <> 0))
  execute function public.refuse_change();
create trigger user_credits_follow before update on public.user_credits
  for each row when (
    pg_trigger_depth() = 0
    and (new.user_id, new.balance, new.reserved) is distinct from (old.user_id, old.balance, old.reserved)
  )
  execute function public.refuse_change();
create trigger user_credits_kept before delete on public.user_credits
  for each row execute function public.refuse_change();

revoke all on function
  public.instant(), public.jobs_guard(), public.jobs_queue(), public.refuse_change(), public.credit_ledger_sums()
  from public, anon, authenticated, service_role;
grant execute on function public.instant() to authenticated, service_role;
