-- Nobody is charged for an engine that the operator's machine cannot run.

-- Whether a job failed of what its owner sent: such failures are limited. Not an engine that the operator's machine cannot
-- start, wall in or load.
create or replace function public.is_failure_of_input(p_error jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(
    p_error ->> 'code' in ('DECODE_FAILED', 'SCHEMA_FAILED', 'SIZE_EXCEEDED')
    or (
      p_error ->> 'code' = 'OCR_FAILED'
      and coalesce(p_error #>> '{detail,reason}', '') not in ('unknown_engine', 'start', 'walls')
      and coalesce(p_error #>> '{detail,type}', '') not in ('ModelsMissingError', 'ImportError', 'ModuleNotFoundError')
    )
    or (p_error ->> 'code' = 'FETCH_FAILED' and p_error #> '{detail,transient}' is distinct from 'true')
    or (p_error ->> 'code' = 'INTERNAL_ERROR' and p_error #>> '{detail,reason}' in ('hang', 'memory')),
    false
  )
$$;
