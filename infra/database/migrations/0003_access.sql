-- Who sees and touches which table. Users see their own rows, without keys that the ring wrapped; nobody but
-- service_role writes, and it no more than the functions need. Older Supabase projects grant everything on a new table
-- by default: hence the revokes.
do $$
declare
  v_table text;
begin
  foreach v_table in array array[
    'portal_schemas', 'uploads', 'jobs', 'queue', 'documents', 'credit_ledger', 'user_credits', 'cpu_usage', 'metrics',
    'counters', 'removals'
  ] loop
    execute format('alter table public.%I enable row level security', v_table);
    execute format('alter table public.%I force row level security', v_table);
    execute format('revoke all on table public.%I from public, anon, authenticated, service_role', v_table);
  end loop;
end $$;
revoke all on sequence public.credit_ledger_id_seq, public.metrics_id_seq
  from public, anon, authenticated, service_role;

create policy portal_schemas_are_public on public.portal_schemas for select to authenticated using (true);
create policy own_uploads on public.uploads for select to authenticated using (user_id = (select auth.uid()));
create policy own_jobs on public.jobs for select to authenticated using (user_id = (select auth.uid()));
create policy own_documents on public.documents for select to authenticated using (user_id = (select auth.uid()));
create policy own_ledger on public.credit_ledger for select to authenticated using (user_id = (select auth.uid()));
create policy own_credits on public.user_credits for select to authenticated using (user_id = (select auth.uid()));

grant select on public.portal_schemas, public.documents, public.credit_ledger, public.user_credits to authenticated;
grant select (job_id, user_id, raw_path, mime_type, size_bytes, created_at, claimed_at)
  on public.uploads to authenticated;
grant select (
  id, user_id, status, stage, attempt, portal, slot, portal_version, document_id, raw_path, artifact_url, mime_type,
  original_filename, options, kid, dispatched_at, started_at, lease_until, awaiting_dispatch, not_before, quality_score,
  conforms, warnings, artifacts, metrics, receipt, error_details, ended_at, erased_at, row_version, created_at,
  updated_at
) on public.jobs to authenticated;

grant select on public.portal_schemas to service_role;
grant select, insert, update, delete on public.uploads to service_role;
grant select, insert, update on public.jobs to service_role;
grant select, insert, update, delete on public.queue to service_role;
grant select, insert, delete on public.documents to service_role;
grant select, insert on public.credit_ledger to service_role;
grant select, insert, update on public.user_credits to service_role;
grant select, insert on public.cpu_usage to service_role;
grant select, insert, delete on public.metrics to service_role;
grant select, insert, update on public.counters to service_role;
grant select, insert, update, delete on public.removals to service_role;
