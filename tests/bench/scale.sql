-- A service that runs for days in minutes: clients, an executor and the schedule as one procedure over the real functions,
-- on a clock that leaps from event to event. `test.now` is that clock (`public.instant()`).
create schema bench;
create unlogged table bench.running (
  job_id uuid primary key, user_id uuid not null, document_id uuid not null, attempt integer not null,
  ends_at timestamptz not null, kind integer not null
);
create index running_ends on bench.running (ends_at);
create unlogged table bench.state (
  now_at timestamptz not null, arrival_at timestamptz not null, tick_at timestamptz not null, made integer not null
);
insert into bench.state values ('2026-11-25T12:00:00Z', '2026-11-25T12:00:00Z', '2026-11-25T12:00:00Z', 0);

-- Time inside each of the functions, by the wall.
create unlogged table bench.calls (function text primary key, calls bigint not null, ms double precision not null);

-- The executor takes what was started: it is submitted, and will end after one of the measured times.
create function bench.take(p_started jsonb, p_now timestamptz, p_holds_ms double precision[]) returns void
language plpgsql as $$
declare
  v_kind constant integer := 1 + floor(random() * cardinality(p_holds_ms))::integer;
begin
  if p_started is null or p_started = 'null' then
    return;
  end if;
  insert into bench.running (job_id, user_id, document_id, attempt, ends_at, kind) values (
    (p_started ->> 'job_id')::uuid, (p_started ->> 'user_id')::uuid, (p_started ->> 'document_id')::uuid,
    (p_started ->> 'attempt')::integer, p_now + p_holds_ms[v_kind] * interval '1 millisecond', v_kind
  );
  perform public.job_submitted(
    (p_started ->> 'job_id')::uuid, (p_started ->> 'attempt')::integer, 'local', p_started ->> 'job_id'
  );
end $$;

create function bench.spent(p_function text, p_since timestamptz) returns void language sql as $$
  insert into bench.calls as c (function, calls, ms)
  values (p_function, 1, extract(epoch from clock_timestamp() - p_since) * 1000)
  on conflict (function) do update set calls = c.calls + 1, ms = c.ms + excluded.ms
$$;

-- Goes on for so many events; whether anything is left to do. Called again and again, because what a session has written
-- is seen by autovacuum when its statement has ended. A hundredth fails and is tried again, two hundredths fail for good; every
-- `p_burst_every` jobs as many as a twentieth of that come at the same moment.
create procedure bench.simulate(
  inout p_goes_on boolean, p_events integer, p_jobs integer, p_users integer, p_per_s double precision, p_inflight integer, p_burst_every integer,
  p_holds_ms double precision[], p_metrics jsonb
) language plpgsql as $$
declare
  v_now timestamptz;
  v_arrival timestamptz;
  v_tick timestamptz;
  v_made integer;
  v_end timestamptz;
  v_run bench.running;
  v_answer jsonb;
  v_user uuid;
  v_job uuid;
  v_raw text;
  v_luck double precision;
  v_from timestamptz;
begin
  select now_at, arrival_at, tick_at, made into v_now, v_arrival, v_tick, v_made from bench.state;
  p_goes_on := false;
  for v_event in 1..p_events loop
    select min(ends_at) into v_end from bench.running;
    exit when v_made >= p_jobs and v_end is null and not exists (select from public.queue);
    if v_made >= p_jobs then
      v_arrival := 'infinity';
    end if;
    v_now := least(v_arrival, v_tick, coalesce(v_end, 'infinity')) + interval '1 microsecond';
    perform set_config('test.now', v_now::text, false);
    if v_now > v_tick then
      v_from := clock_timestamp();
      v_answer := public.jobs_tick(p_inflight, 3600, 3);
      perform bench.spent('jobs_tick', v_from);
      perform bench.take(v_answer -> 'dispatch', v_now, p_holds_ms);
      v_tick := v_now + interval '1 minute';
    elsif v_now > v_arrival then
      v_user := md5('user' || floor(p_users * random() * random()))::uuid;  -- some come often
      v_job := gen_random_uuid();
      v_raw := 'raw/' || v_user || '/' || v_job || '/20261125T120000Z_scan.jpg.enc';
      v_from := clock_timestamp();
      perform public.upload_create(v_job, v_user, v_raw, 'image/jpeg', 1000, 1, repeat('A', 54) || '==', v_now, 1000000);
      perform bench.spent('upload_create', v_from);
      v_from := clock_timestamp();
      v_answer := public.job_create(
        v_user, v_job, gen_random_uuid(), v_raw, null, 1124, 'neet-2026', 'photo', null, 'image/jpeg', 'scan.jpg', '{}', 1,
        repeat('A', 54) || '==', null, repeat('a', 64), 100000, 1000000, p_inflight, 3600, 3
      );
      perform bench.spent('job_create', v_from);
      perform bench.take(v_answer -> 'started', v_now, p_holds_ms);
      v_made := v_made + 1;
      if v_made % p_burst_every >= p_burst_every / 20 then
        v_arrival := v_now - ln(1 - random()) / p_per_s * interval '1 second';
      end if;
    else
      select * into v_run from bench.running order by ends_at limit 1;
      delete from bench.running where job_id = v_run.job_id;
      v_luck := random();
      if v_luck < 0.03 then
        v_from := clock_timestamp();
        v_answer := public.job_fail_attempt(
          v_run.job_id, v_run.attempt, jsonb '{"code": "UPLOAD_FAILED", "stage": "upload", "retryable": true}', null,
          v_luck < 0.01, p_inflight, 3600, 3
        );
        perform bench.spent('job_fail_attempt', v_from);
      else
        v_from := clock_timestamp();
        v_answer := public.job_claim_settlement(v_run.job_id, v_run.attempt, v_run.user_id, v_run.document_id, 60);
        perform bench.spent('job_claim_settlement', v_from);
        v_from := clock_timestamp();
        v_answer := public.job_finish(
          v_run.job_id, v_run.attempt, v_answer ->> 'claim', 0.87, '[]',
          jsonb_build_object('master_path', 'master/' || v_run.user_id || '/' || v_run.document_id),
          p_metrics -> (v_run.kind % jsonb_array_length(p_metrics)), jsonb_build_object('clauses', repeat('x', 600)), true,
          p_inflight, 3600, 3
        );
        perform bench.spent('job_finish', v_from);
      end if;
      perform bench.take(v_answer -> 'work' -> 'dispatch', v_now, p_holds_ms);
    end if;
    commit;
    p_goes_on := v_event = p_events;
  end loop;
  update bench.state set now_at = v_now, arrival_at = v_arrival, tick_at = v_tick, made = v_made;
end $$;
