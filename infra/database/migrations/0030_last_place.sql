-- The last free place is kept for whoever comes next, while there is somebody to come: an account's long jobs, which
-- succeed and are paid for, could fill every place as long as nobody waited, and the next person waited until one ended.

-- Starts the next job if the executor has room. First attempts and retries that are due wait in one queue: next is whoever
-- waits the longest of the users with the fewest in flight. Of the places in flight, retries take half at most; a user
-- whose input made three jobs fail today has one. The last free place is for users with nothing in flight, as long as there
-- is one who created a job in the last ten minutes; of the jobs of that time the newest 500 are looked at. Null when there is
-- no room or nobody may go. Somebody else's lock on the chosen job means that it is being cancelled, and that its canceller
-- goes on from there. What is asked of `jobs` is asked again of the row as it is once it is locked; what is asked of `queue`
-- is not. Loops, not joins: while `jobs` has grown and nobody has counted it yet, a planner may read it from end to end for
-- a join.
create or replace function public.jobs_start_next(p_max_inflight integer, p_lease_s integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_failures_alone constant integer := 3;
  c_lately constant interval := '10 minutes';
  c_looked_at constant integer := 500;
  v_now constant timestamptz := public.instant();
  v_busy uuid[];
  v_retries integer;
  v_retry_may boolean;
  v_next uuid;
  v_id uuid;
begin
  perform public.queue_lock();
  select coalesce(array_agg(user_id), '{}'), count(*) filter (where is_retry) into v_busy, v_retries
    from public.queue where state = 'in_flight';
  if cardinality(v_busy) >= p_max_inflight then
    return null;
  end if;
  v_retry_may := v_retries < greatest(p_max_inflight / 2, 1);
  for v_next in
    select job_id from public.queue
    where waits_from <= v_now and user_id <> all (v_busy) and (v_retry_may or not is_retry)
    order by waits_from, job_id
  loop
    select id into v_id from public.jobs
      where id = v_next and (status = 'pending' or awaiting_dispatch) for update skip locked;
    exit when v_id is not null;
  end loop;
  if v_id is null and cardinality(v_busy) > 0 then
    select oldest.job_id into v_next
      from (select u as user_id, count(*) as jobs from unnest(v_busy) u group by u) b
      cross join lateral (
        select job_id, waits_from from public.queue
        where user_id = b.user_id and waits_from <= v_now and (v_retry_may or not is_retry)
        order by waits_from, job_id limit 1
      ) oldest
      where not exists (
        select from public.user_credits c
        where c.user_id = b.user_id and c.usage_day = public.usage_today() and c.failures_today >= c_failures_alone
      )
      order by b.jobs, oldest.waits_from, oldest.job_id limit 1;
    if v_next is not null and cardinality(v_busy) = p_max_inflight - 1 and exists (
      select from (
        select user_id from public.jobs where created_at > v_now - c_lately
        order by created_at desc, id desc limit c_looked_at
      ) lately
      where user_id <> all (v_busy)
    ) then
      return null;
    end if;
    select id into v_id from public.jobs
      where id = v_next and (status = 'pending' or awaiting_dispatch) for update skip locked;
  end if;
  return public.job_start(v_id, p_lease_s);
end $$;
