-- Nobody is charged for an upload that our own store refuses to our own credentials: the operator's key is wrong.

-- Processing -> failed, with the refund; from the failure on that is one of its input more than `p_max_failures` today, the
-- credit is spent. Returns whether it is. What earlier attempts failed of stays in `attempts`. The uploads are removed with
-- what the attempts may have left: no other job can be made from them.
create or replace function public.job_fail(p_job public.jobs, p_error jsonb, p_max_failures integer default null) returns boolean
language plpgsql set search_path = '' as $$
declare
  -- our own store refuses our own credentials: an upload needs no others
  v_is_ours constant boolean := coalesce(
    p_error ->> 'code' = 'FETCH_FAILED' and p_error #>> '{detail,reason}' = 'access_denied' and p_job.artifact_url is null,
    false
  );
  v_charged boolean := false;
  v_keys jsonb;
begin
  update public.jobs set
    status = 'failed', stage = p_error ->> 'stage', ended_at = public.instant(), lease_until = null,
    awaiting_dispatch = false, not_before = null, claim = null, claim_until = null,
    error_details = coalesce(error_details, '{}') || p_error
  where id = p_job.id;
  if public.is_failure_of_input(p_error) and not v_is_ours then
    v_charged := coalesce(public.failure_add(p_job.user_id) > p_max_failures, false);
  end if;
  insert into public.credit_ledger (user_id, job_id, kind, amount, created_at) values (
    p_job.user_id, p_job.id, case when v_charged then 'settle' else 'refund' end, case when v_charged then 0 else 1 end,
    public.instant()
  );
  select jsonb_agg(key) into v_keys from (
    select 'raw/' || p_job.user_id || '/' || p_job.id || '/dispatch-a' || attempt || '.json.enc' as key
    from generate_series(1, p_job.attempt) attempt
    union all
    select 'master/' || p_job.user_id || '/' || p_job.document_id || '/' || p_job.document_id || '.enc'
    where p_job.attempt > 0
    union all
    select path from jsonb_array_elements_text(coalesce(p_job.raw_paths, jsonb_build_array(p_job.raw_path))) path
    where starts_with(path, 'raw/' || p_job.user_id || '/')
  ) own;
  if v_keys is not null then
    perform public.removal_add(p_job.id, v_keys);
  end if;
  return v_charged;
end $$;
