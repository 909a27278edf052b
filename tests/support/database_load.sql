-- Fills an empty migrated database as if it had served for a long time: %(jobs)s jobs of one user in fifty jobs each, the
-- last 604 of them going on, one every five seconds: a million are 58 days, in which no measurement is old enough to be
-- purged (`purge` removes 200 rows a tick at most, however many there are). Run by a superuser: triggers and foreign keys
-- are off, what they guard is written here.
set session_replication_role = replica;

create temp table j on commit drop as
select
  i, md5('job' || i)::uuid as id, md5('document' || i)::uuid as document_id,
  case when i %% (%(jobs)s / 200) = 0 then %(user)s::uuid else md5('user' || i %% (%(jobs)s / 50))::uuid end as user_id,
  now() - (%(jobs)s - i) * interval '5 seconds' as created_at,
  case
    when i > %(jobs)s - 600 then 'pending'
    when i > %(jobs)s - 604 then 'processing'
    when i %% 20 = 7 then 'failed'
    else 'completed'
  end as status
from generate_series(1, %(jobs)s) i;

insert into public.jobs (
  id, user_id, status, attempt, portal, slot, portal_version, document_id, raw_path, mime_type, original_filename,
  request_hash, kid, wrapped_key, dispatched_at, started_at, submitted_at, executor, executor_ref, lease_until,
  quality_score, conforms, warnings, artifacts, metrics, receipt, error_details, ended_at, created_at, updated_at
)
select
  id, user_id, status, case status when 'pending' then 0 else 1 end, 'neet-2026', 'photo', '2026.1', document_id,
  'raw/' || user_id || '/' || id || '/20261125T120000Z_scan.jpg.enc', 'image/jpeg', 'scan.jpg', repeat('a', 64), 1,
  repeat('A', 54) || '==', started, started, started, 'local', i::text,
  case status when 'processing' then now() + interval '1 hour' end,
  case status when 'completed' then 0.87 end, case status when 'completed' then true end, '[]',
  case status when 'completed' then jsonb_build_object('master_path', 'master/' || user_id || '/' || document_id) end,
  case status when 'completed' then jsonb '{"processing_ms": 900, "encodes": 5}' end,
  case status when 'completed' then jsonb_build_object('clauses', repeat('x', 600)) end,
  case status when 'failed' then jsonb '{"code": "DECODE_FAILED", "stage": "decode"}' end,
  case when status in ('completed', 'failed') then created_at + interval '20 seconds' end, created_at, created_at
from j, lateral (select case when status <> 'pending' then created_at + interval '1 second' end as started) s
order by i;

insert into public.queue (job_id, user_id, created_at, state, due_at, waits_from)
select
  id, user_id, created_at, case status when 'pending' then 'pending' else 'in_flight' end,
  case status when 'processing' then now() + interval '1 hour' end,
  case status when 'pending' then created_at end
from j where status in ('pending', 'processing') order by i;

insert into public.uploads (job_id, user_id, raw_path, mime_type, size_bytes, kid, wrapped_key, created_at, claimed_at)
select
  id, user_id, 'raw/' || user_id || '/' || id || '/20261125T120000Z_scan.jpg.enc', 'image/jpeg', 1000, 1,
  repeat('A', 54) || '==', created_at, created_at
from j order by i;

insert into public.documents (document_id, user_id, job_id, portal, slot, created_at)
select document_id, user_id, id, 'neet-2026', 'photo', created_at from j where status = 'completed' order by i;

insert into public.credit_ledger (user_id, job_id, kind, amount, created_at)
select user_id, null::uuid, 'grant', %(jobs)s, min(created_at) as created_at from j group by user_id
union all
select user_id, id, 'reserve', -1, created_at from j
union all
select
  user_id, id, case status when 'completed' then 'settle' else 'refund' end, case status when 'completed' then 0 else 1 end,
  created_at
from j where status in ('completed', 'failed')
order by created_at;

insert into public.user_credits (user_id, balance, reserved, opened_at)
select
  user_id, sum(amount),
  count(*) filter (where kind = 'reserve') - count(*) filter (where kind in ('settle', 'refund')), min(created_at)
from public.credit_ledger group by user_id;

insert into public.cpu_usage (job_id, attempt, stage, cpu_ms, created_at)
select id, 1, stage, 40, created_at
from j cross join unnest(array['fetch', 'decode', 'quality', 'enhance', 'ocr', 'schema', 'upload']) stage
where status = 'completed' order by i;

insert into public.metrics (job_id, attempt, name, value, created_at)
select id, 1, name, 1, created_at
from j cross join unnest(array['processing_ms', 'encodes', 'quality_score', 'total_ms']) name
where status = 'completed' order by i;

insert into public.removals (job_id, keys, due_at)
select gen_random_uuid(), '[]', now() + (i - 20) * interval '1 hour' from generate_series(1, 1000) i;

insert into public.counters (name, label, value)
select 'jobs_ended', status, count(*) from j where status in ('completed', 'failed') group by status;

set session_replication_role = origin;
