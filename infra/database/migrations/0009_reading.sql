-- What users read, in their own role and under RLS; and the one key that goes with it, for service_role.

-- A waiting job's place in the fair order, and when it may start, as far as it can be foretold; and whether a tick would find something to do.
-- The queue is everybody's, so this sees past RLS, and tells the owner of the job two small facts. Bounded: it looks at
-- the oldest 500 waiting jobs and at those of the same user.
create function public.queue_state(p_job_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_user_id constant uuid := auth.uid();
  v_now constant timestamptz := public.instant();
begin
  if not exists (select from public.queue where job_id = p_job_id and user_id = v_user_id and state = 'pending') then
    return null;
  end if;
  return (
    with waiting as (
      (
        select job_id, user_id, created_at from public.queue
        where state = 'pending' order by created_at, job_id limit 500
      )
      union
      select job_id, user_id, created_at from public.queue where state = 'pending' and user_id = v_user_id
    ), in_flight as (
      select user_id, count(*) as jobs from public.queue where state = 'in_flight' group by user_id
    ), turns as (
      select
        w.job_id, w.created_at,
        coalesce(f.jobs, 0) + row_number() over (partition by w.user_id order by w.created_at, w.job_id) as turn
      from waiting w left join in_flight f using (user_id)
    )
    select jsonb_build_object(
      'position', place.position,
      -- as many places become free in the time that one is held as are in flight now
      'expected_start_at', v_now + interval '1 millisecond' * (
        select value from public.counters where name = 'place_ms' and label = 'lately'
      ) * place.position / greatest((select sum(jobs) from in_flight), 1),
      'stalled', not exists (select from public.queue where state = 'in_flight')
        or exists (select from public.queue where state = 'in_flight' and due_at < v_now)
        or exists (select from public.queue where state = 'awaiting' and due_at <= v_now)
    )
    from (
      select count(*) as position from turns t, turns mine
      where mine.job_id = p_job_id and (t.turn, t.created_at, t.job_id) <= (mine.turn, mine.created_at, mine.job_id)
    ) place
  );
end $$;

-- One of the caller's jobs (ports.JobRow); null when it is another's or erased. `overdue` says that a tick is due.
create function public.job_get(p_job_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', j.id, 'status', j.status, 'stage', j.stage, 'attempt', j.attempt, 'portal', j.portal, 'slot', j.slot,
    'portal_version', j.portal_version, 'document_id', j.document_id, 'quality_score', j.quality_score,
    'warnings', j.warnings, 'error', case j.status when 'failed' then j.error_details - 'attempts' end,
    'metrics', j.metrics, 'receipt', j.receipt, 'conforms', j.conforms, 'artifacts', j.artifacts,
    'sealed', j.kid is not null,
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
$$;

-- One line a job, without keys and receipts.
create view public.job_lines with (security_invoker = true) as
select
  id as job_id, user_id, status, stage, attempt, portal, slot, portal_version, quality_score, conforms,
  case status when 'failed' then error_details ->> 'code' end as error_code, created_at
from public.jobs
where erased_at is null;
revoke all on public.job_lines from public, anon, authenticated, service_role;
grant select on public.job_lines to authenticated;

-- The caller's jobs, newest first, after the keyset (p_before_at, p_before_id): a list of ports.JobListRow. Two queries,
-- so that each has an index that gives its order.
create function public.jobs_list(p_status text, p_limit integer, p_before_at timestamptz, p_before_id uuid)
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
  return coalesce(v_page, '[]');
end $$;

-- The wrapped data key of one's own job; null when there is no such job. Both parts are null for a plaintext job.
create function public.job_key(p_user_id uuid, p_job_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('kid', kid, 'wrapped_key', wrapped_key) from public.jobs
  where id = p_job_id and user_id = p_user_id and erased_at is null
$$;

revoke all on function
  public.queue_state(uuid), public.job_get(uuid), public.jobs_list(text, integer, timestamptz, uuid),
  public.job_key(uuid, uuid)
  from public, anon, authenticated, service_role;
grant execute on function
  public.queue_state(uuid), public.job_get(uuid), public.jobs_list(text, integer, timestamptz, uuid)
  to authenticated;
grant execute on function public.job_key(uuid, uuid) to service_role;
