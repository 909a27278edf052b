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

revoke all on function
  public.job_for_operator(public.jobs), public.jobs_search(text, uuid, integer), public.job_inspect(uuid)
  from public, anon, authenticated;
grant execute on function
  public.job_for_operator(public.jobs), public.jobs_search(text, uuid, integer), public.job_inspect(uuid)
  to service_role;
