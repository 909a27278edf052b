-- What an operator sees of anybody's jobs (ports.OperatorJob).

create function public.job_for_operator(p_job public.jobs) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', p_job.id, 'user_id', p_job.user_id, 'status', p_job.status, 'stage', p_job.stage,
    'attempt', p_job.attempt, 'portal', p_job.portal, 'slot', p_job.slot, 'executor', p_job.executor,
    'executor_ref', p_job.executor_ref, 'lease_until', p_job.lease_until, 'error_details', p_job.error_details,
    'created_at', p_job.created_at
  )
$$;

-- Newest first. What is going on is looked up among what is going on, however old it is.
create function public.jobs_search(p_status text, p_user_id uuid, p_limit integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_found jsonb;
begin
  if p_status in ('pending', 'processing') then
    select jsonb_agg(public.job_for_operator(j) order by j.created_at desc, j.id desc)
      into v_found
      from (
        select job_id from public.queue
        where (state = 'pending') = (p_status = 'pending') and user_id = coalesce(p_user_id, user_id)
        order by created_at desc, job_id desc limit p_limit
      ) q
      join public.jobs j on j.id = q.job_id;
  elsif p_user_id is not null then
    select jsonb_agg(public.job_for_operator(j) order by j.created_at desc, j.id desc) into v_found from (
      select * from public.jobs
      where user_id = p_user_id and status = coalesce(p_status, status) and erased_at is null
      order by created_at desc, id desc limit p_limit
    ) j;
  else
    select jsonb_agg(public.job_for_operator(j) order by j.created_at desc, j.id desc) into v_found from (
      select * from public.jobs where status = coalesce(p_status, status)
      order by created_at desc, id desc limit p_limit
    ) j;
  end if;
  return coalesce(v_found, '[]');
end $$;

create function public.job_inspect(p_job_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select public.job_for_operator(j) from public.jobs j where j.id = p_job_id
$$;

-- Starts the next attempt of a job as soon as there is room: at once when it waits for it, else by giving the present one
-- up. Without attempts left the job fails. Nothing is done while somebody is settling it, or when `p_attempt` is not the
-- present one.
create function public.job_retry_now(
  p_job_id uuid, p_attempt integer, p_error jsonb, p_max_inflight integer, p_lease_s integer, p_max_attempts integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
  v_ended jsonb;
begin
  select * into v_job from public.jobs where id = p_job_id for update;
  if v_job.status = 'processing' and v_job.attempt = p_attempt and v_job.awaiting_dispatch then
    v_ended := jsonb_build_object('outcome', 'retrying');
  else
    v_ended := public.job_fail_attempt(
      p_job_id, p_attempt, p_error, null, true, p_max_inflight, p_lease_s, p_max_attempts
    );
  end if;
  if v_ended ->> 'outcome' = 'retrying' then
    update public.jobs set not_before = public.instant() where id = p_job_id;
  end if;
  return v_ended;
end $$;

-- Ends a job as failed, with the refund, wherever it is on its way; not while somebody is settling it.
create function public.job_end(
  p_job_id uuid, p_error jsonb, p_max_inflight integer, p_lease_s integer, p_max_attempts integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_job public.jobs;
begin
  select * into v_job from public.jobs where id = p_job_id for update;
  if v_job.id is null or v_job.status in ('completed', 'failed') or v_job.claim_until > public.instant() then
    return jsonb_build_object('outcome', case
      when v_job.id is null then 'unknown' when v_job.status in ('completed', 'failed') then 'terminal' else 'busy' end);
  end if;
  if v_job.status = 'pending' then
    update public.jobs set status = 'processing' where id = p_job_id returning * into v_job;
  end if;
  perform public.job_fail(v_job, p_error);
  return public.job_ended('failed', p_error ->> 'code', null, null, p_max_inflight, p_lease_s, p_max_attempts);
end $$;

revoke all on function
  public.job_for_operator(public.jobs), public.jobs_search(text, uuid, integer), public.job_inspect(uuid),
  public.job_retry_now(uuid, integer, jsonb, integer, integer, integer),
  public.job_end(uuid, jsonb, integer, integer, integer)
  from public, anon, authenticated;
grant execute on function
  public.job_for_operator(public.jobs), public.jobs_search(text, uuid, integer), public.job_inspect(uuid),
  public.job_retry_now(uuid, integer, jsonb, integer, integer, integer),
  public.job_end(uuid, jsonb, integer, integer, integer)
  to service_role;
