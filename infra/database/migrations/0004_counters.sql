-- The sums, and what is told to Prometheus and to /health.
--
-- Order of locks, everywhere: a job's row, its user's credits, the sum of credits granted, the queue (`queue_lock`),
-- all other sums. Who holds the queue waits for nobody but sums, and who counts outside the queue does so last.

create function public.counter_add(p_name text, p_label text, p_by bigint) returns void
language sql set search_path = '' as $$
  insert into public.counters as c (name, label, value) values (p_name, p_label, p_by)
  on conflict (name, label) do update set value = c.value + excluded.value
$$;

create function public.ms_between(p_from timestamptz, p_to timestamptz) returns bigint
language sql immutable set search_path = '' as $$ select round(extract(epoch from p_to - p_from) * 1000)::bigint $$;

-- How long a place in flight is held, lately: each one counts for an eighth of what is known after it.
create function public.place_held(p_from timestamptz) returns void
language sql set search_path = '' as $$
  insert into public.counters as c (name, label, value)
  select 'place_ms', 'lately', public.ms_between(p_from, public.instant()) where p_from is not null
  on conflict (name, label) do update set value = c.value + (excluded.value - c.value) / 8
$$;

create function public.whole_ms(p_ms numeric) returns bigint
language sql immutable set search_path = '' as $$
  select least(greatest(coalesce(p_ms, 0), 0), 1000000000)::bigint
$$;

create function public.bucket_of(p_ms bigint) returns text
language sql immutable set search_path = '' as $$
  select coalesce(
    (select min(b)::text from unnest(array[10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000]) b
     where b >= p_ms),
    'inf')
$$;

-- A worker's `metrics.stages` as rows, one a stage, with times that a bigint holds whatever the worker said.
create function public.stage_times(p_stages jsonb) returns table (stage text, wall_ms bigint, cpu_ms bigint)
language sql immutable set search_path = '' as $$
  select s.stage, sum(public.whole_ms(s.wall_ms))::bigint, sum(public.whole_ms(s.cpu_ms))::bigint
  from jsonb_to_recordset(case jsonb_typeof(p_stages) when 'array' then p_stages else '[]' end)
    s (stage text, wall_ms numeric, cpu_ms numeric)
  where s.stage is not null
  group by s.stage
$$;

-- Adds a worker's stage times to the histograms: `{stage}|{upper bound in ms}` counts, `{stage}|sum` adds up. In one
-- order, so that two never wait for each other.
create function public.counters_add_stages(p_stages jsonb) returns void
language sql set search_path = '' as $$
  insert into public.counters as c (name, label, value)
  select t.name, t.label, sum(t.value)
  from public.stage_times(p_stages) s
  cross join lateral (
    values
      ('stage_wall_ms', s.stage || '|' || public.bucket_of(s.wall_ms), 1::bigint),
      ('stage_wall_ms', s.stage || '|sum', s.wall_ms),
      ('stage_cpu_ms', s.stage || '|' || public.bucket_of(s.cpu_ms), 1),
      ('stage_cpu_ms', s.stage || '|sum', s.cpu_ms)
  ) t (name, label, value)
  group by t.name, t.label
  order by t.name, t.label
  on conflict (name, label) do update set value = c.value + excluded.value
$$;

-- Counts, ages and sums. It reads what is going on from the queue and the rest from the sums: never all jobs.
create function public.metrics_snapshot() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'jobs', jsonb_build_object(
      'pending', (select count(*) from public.queue where state = 'pending'),
      'processing', (select count(*) from public.queue where state <> 'pending'),
      'completed', coalesce((select value from public.counters where name = 'jobs_ended' and label = 'completed'), 0),
      'failed', coalesce((select value from public.counters where name = 'jobs_ended' and label = 'failed'), 0)
    ),
    'in_flight', (select count(*) from public.queue where state = 'in_flight'),
    'oldest_pending_s', (
      select extract(epoch from public.instant() - created_at)::double precision
      from public.queue where state = 'pending' order by created_at, job_id limit 1
    ),
    'oldest_processing_s', (
      select extract(epoch from public.instant() - min(dispatched_at))::double precision
      from public.queue q join public.jobs j on j.id = q.job_id where q.state <> 'pending'
    ),
    'credits', jsonb_build_object(
      'granted', coalesce((select sum(value) from public.counters where name = 'credits_granted'), 0),
      'reserved', coalesce((select value from public.counters where name = 'jobs_created'), 0),
      'settled', coalesce((select value from public.counters where name = 'jobs_ended' and label = 'completed'), 0),
      'refunded', coalesce((select value from public.counters where name = 'jobs_ended' and label = 'failed'), 0)
    ),
    'counters', (
      select coalesce(jsonb_agg(jsonb_build_object('name', name, 'label', label, 'value', value) order by name, label),
                      '[]')
      from public.counters
    )
  )
$$;

-- Which migration is in, when one tool of ours applied it, and when the last tick ran.
create function public.database_health() returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_version integer;
begin
  if to_regclass('rythmiq_ops.rythmiq_migrations') is not null then
    execute 'select max(version) from rythmiq_ops.rythmiq_migrations' into v_version;
  end if;
  return jsonb_build_object(
    'schema_version', v_version,
    'last_tick_at', (
      select to_timestamp(value / 1000.0) from public.counters where name = 'last_tick_ms' and label = ''
    )
  );
end $$;

do $$ begin
  if to_regclass('rythmiq_ops.rythmiq_migrations') is not null then
    grant usage on schema rythmiq_ops to service_role;
    grant select on rythmiq_ops.rythmiq_migrations to service_role;
  end if;
end $$;

revoke all on function
  public.counter_add(text, text, bigint), public.counters_add_stages(jsonb), public.stage_times(jsonb),
  public.place_held(timestamptz), public.ms_between(timestamptz, timestamptz), public.whole_ms(numeric),
  public.bucket_of(bigint), public.metrics_snapshot(), public.database_health()
  from public, anon, authenticated;
grant execute on function
  public.counter_add(text, text, bigint), public.counters_add_stages(jsonb), public.stage_times(jsonb),
  public.place_held(timestamptz), public.ms_between(timestamptz, timestamptz), public.whole_ms(numeric),
  public.bucket_of(bigint), public.metrics_snapshot(), public.database_health()
  to service_role;
