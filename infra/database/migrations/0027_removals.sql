-- Removals are handed out many at a time, an account's turn by turn with the others': what one account leaves, be it 60 uploads
-- a minute that it creates and deletes, or an erasure of thousands of jobs, delays nobody else's. The release before removes
-- nothing from here on; what is due waits for this one.

drop function public.removal_next(), public.removal_done(uuid);

-- Claims keys to remove, for ten minutes; `removals_done` says that it was done. Of what is due each account's oldest
-- comes first, then each one's second oldest. Of more than 20,000 that are due (half a day of one account at its limit)
-- the oldest are looked at.
create function public.removals_next() returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_most constant integer := 200;
  c_looked_at constant integer := 20000;
  v_now constant timestamptz := public.instant();
  v_ids constant uuid[] := array(
    select job_id from (
      select job_id, due_at, row_number() over (partition by split_part(keys ->> 0, '/', 2) order by due_at) as turn
      from (select job_id, keys, due_at from public.removals where due_at <= v_now order by due_at limit c_looked_at) due
    ) ranked
    order by turn, due_at limit c_most
  );
  v_removals jsonb;
begin
  if v_ids = '{}' then
    return '[]';
  end if;
  with claimed as (
    update public.removals set due_at = v_now + interval '10 minutes'
    where job_id in (
      select job_id from public.removals where job_id = any (v_ids) and due_at <= v_now for update skip locked
    )
    returning job_id, keys
  )
  select jsonb_agg(jsonb_build_object('job_id', job_id, 'keys', keys) order by array_position(v_ids, job_id))
    into v_removals from claimed;
  return coalesce(v_removals, '[]');
end $$;

-- The keys of these are gone; they are handed out once more, an hour later. How many that were.
create function public.removals_done(p_job_ids jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_ids constant uuid[] := array(select jsonb_array_elements_text(p_job_ids)::uuid);
  v_ended integer;
  v_once_more integer;
begin
  delete from public.removals where job_id = any (v_ids) and is_last and due_at > public.instant();
  get diagnostics v_ended = row_count;
  update public.removals set is_last = true, due_at = public.instant() + interval '1 hour'
    where job_id = any (v_ids) and not is_last and due_at > public.instant();
  get diagnostics v_once_more = row_count;
  return to_jsonb(v_ended + v_once_more);
end $$;

-- One bounded step of the reconciler (ports.TickWork). `p_max_attempts` is there so that every call takes one capacity.
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
    'overdue', v_overdue, 'dispatch', v_dispatch, 'removals', v_removals, 'purged', v_purged
  );
end $$;

revoke all on function public.removals_next(), public.removals_done(jsonb) from public, anon, authenticated;
grant execute on function public.removals_next(), public.removals_done(jsonb) to service_role;
