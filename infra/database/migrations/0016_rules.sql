-- A job runs all its attempts under the rules that it was created with, whatever becomes of its portal's version later: the
-- first job under some rules keeps them, by their hash. No function that an API calls changes its arguments, its answer
-- or its meaning, so the release before goes on on it.

-- The rules that jobs were created with, each once: `hash` is the SHA-256 of the portal's name and the definition.
create table public.rules (
  hash bytea primary key,
  portal_name text not null,
  schema_definition jsonb not null
);
alter table public.rules enable row level security;
revoke all on table public.rules from public, anon, authenticated, service_role;
grant select, insert on public.rules to service_role;
create trigger rules_kept before update or delete on public.rules
  for each row execute function public.refuse_change();
create trigger rules_not_truncated before truncate on public.rules
  for each statement execute function public.refuse_change();

-- Keeps the rules of a slot as they are now, under their hash; null when there is no such slot. Equal rules are kept once.
create function public.rules_keep(p_portal text, p_slot text, p_version text) returns bytea
language plpgsql set search_path = '' as $$
declare
  v_slot public.portal_schemas;
  v_hash bytea;
begin
  select * into v_slot from public.portal_schemas where portal = p_portal and slot = p_slot and version = p_version;
  if v_slot.portal is null then
    return null;
  end if;
  v_hash := sha256(convert_to(jsonb_build_array(v_slot.name, v_slot.schema_definition)::text, 'UTF8'));
  insert into public.rules (hash, portal_name, schema_definition) values (v_hash, v_slot.name, v_slot.schema_definition)
    on conflict do nothing;
  return v_hash;
end $$;
revoke all on function public.rules_keep(text, text, text) from public, anon, authenticated;
grant execute on function public.rules_keep(text, text, text) to service_role;

-- Jobs that are going on are pinned to the rules of this moment. An owner whom row level security binds sees no rows.
alter table public.jobs add column rules_hash bytea references public.rules (hash);
alter table public.jobs no force row level security;
alter table public.queue no force row level security;
alter table public.portal_schemas no force row level security;
update public.jobs set rules_hash = public.rules_keep(portal, slot, portal_version)
  where id in (select job_id from public.queue);
alter table public.portal_schemas force row level security;
alter table public.queue force row level security;
alter table public.jobs force row level security;
alter table public.rules force row level security;

create or replace function public.jobs_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
  -- what erasure may take away; everything else of a terminal job stays as it is
  c_erasable constant text[] := array[
    'raw_path', 'raw_paths', 'artifact_url', 'mime_type', 'original_filename', 'options', 'kid', 'wrapped_key',
    'input_kid', 'input_wrapped_key', 'quality_score', 'conforms', 'warnings', 'advice', 'artifacts', 'metrics',
    'receipt', 'error_details', 'erased_at', 'row_version', 'updated_at'
  ];
  c_wrapped constant text[] := array['kid', 'wrapped_key', 'input_kid', 'input_wrapped_key'];
begin
  if tg_op = 'INSERT' then
    if new.status <> 'pending' or new.attempt <> 0 then
      raise exception 'a job starts as pending, before its first attempt' using errcode = 'check_violation';
    end if;
    new.rules_hash := public.rules_keep(new.portal, new.slot, new.portal_version);
    return new;
  end if;
  if old.status in ('completed', 'failed') then
    -- `rythmiq keys rotate` wraps the same data keys under another key, and touches nothing else
    if current_setting('rythmiq.rotation', true) = 'on'
      and to_jsonb(new) - c_wrapped = to_jsonb(old) - c_wrapped
      and (new.kid is null, new.input_kid is null) = (old.kid is null, old.input_kid is null)
    then
      return new;
    end if;
    if old.erased_at is not null or new.erased_at is null
      or to_jsonb(new) - c_erasable is distinct from to_jsonb(old) - c_erasable
      or coalesce(
        new.raw_path, new.raw_paths::text, new.artifact_url, new.original_filename, new.wrapped_key,
        new.input_wrapped_key, new.artifacts::text, new.receipt::text
      ) is not null
    then
      raise exception 'a % job changes by erasure only, and once', old.status using errcode = 'check_violation';
    end if;
  else
    if new.status <> old.status
      and (old.status, new.status) not in (
        ('pending', 'processing'), ('processing', 'completed'), ('processing', 'failed')
      )
    then
      raise exception 'a job does not go from % to %', old.status, new.status using errcode = 'check_violation';
    end if;
    if new.erased_at is not null then
      raise exception 'a % job cannot be erased', new.status using errcode = 'check_violation';
    end if;
    if new.attempt < old.attempt then
      raise exception 'the attempt of a job never falls' using errcode = 'check_violation';
    end if;
    if (new.id, new.user_id, new.document_id, new.portal, new.slot, new.portal_version, new.rules_hash, new.created_at)
      is distinct from
      (old.id, old.user_id, old.document_id, old.portal, old.slot, old.portal_version, old.rules_hash, old.created_at)
    then
      raise exception 'whose job it is, and what for, is fixed' using errcode = 'check_violation';
    end if;
  end if;
  new.row_version := old.row_version + 1;
  new.updated_at := public.instant();
  return new;
end $$;

-- What a dispatch needs to know of a started job (ports.StartedJob).
create or replace function public.job_started(p_job public.jobs) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'job_id', p_job.id, 'user_id', p_job.user_id, 'attempt', p_job.attempt, 'document_id', p_job.document_id,
    'created_at', p_job.created_at, 'dispatched_at', p_job.dispatched_at, 'portal', p_job.portal, 'slot', p_job.slot,
    'portal_version', p_job.portal_version, 'portal_name', coalesce(r.portal_name, s.name),
    'schema_definition', coalesce(r.schema_definition, s.schema_definition),
    'raw_path', p_job.raw_path, 'raw_paths', p_job.raw_paths, 'artifact_url', p_job.artifact_url,
    'mime_type', p_job.mime_type, 'original_filename', p_job.original_filename, 'options', p_job.options,
    'kid', p_job.kid, 'wrapped_key', p_job.wrapped_key, 'input_kid', p_job.input_kid,
    'input_wrapped_key', p_job.input_wrapped_key,
    'inputs', (
      select jsonb_agg(jsonb_build_object('kid', u.kid, 'wrapped_key', u.wrapped_key) order by asked.place)
      from jsonb_array_elements_text(p_job.raw_paths) with ordinality asked (path, place)
      join public.uploads u on u.job_id = public.key_id(asked.path)
    )
  )
  from public.portal_schemas s left join public.rules r on r.hash = p_job.rules_hash
  where s.portal = p_job.portal and s.slot = p_job.slot and s.version = p_job.portal_version
$$;

create or replace function public.job_storage_keys(p_job public.jobs) returns jsonb
language sql stable set search_path = '' as $$
  with names as (
    select
      'raw/' || p_job.user_id || '/' || p_job.id || '/' as raw,
      'output/' || p_job.user_id || '/' || p_job.id || '/' as output,
      case when p_job.kid is null then '' else '.enc' end as suffix,
      to_char(p_job.dispatched_at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') as dispatched,
      to_char(p_job.created_at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') as created
  ), keys as (
    select p_job.raw_path as key where starts_with(p_job.raw_path, 'raw/')
    union
    select jsonb_array_elements_text(p_job.raw_paths)
    union
    select value from jsonb_each_text(coalesce(p_job.artifacts, '{}'))
    union
    select unnest(array[
      raw || 'dispatch-a' || attempt || '.json.enc', output || 'result-a' || attempt || '.json.enc'
    ]) from names, generate_series(1, p_job.attempt) attempt
    union
    select unnest(array[
      'master/' || p_job.user_id || '/' || p_job.document_id || '/' || p_job.document_id || '.enc',
      output || 'preview.jpg' || suffix,
      output || 'before.jpg' || suffix,
      output || dispatched || '_text.txt' || suffix,
      output || dispatched || '_document.' || s.extension || suffix,
      output || created || '_output.zip' || suffix
    ])
    from names, (
      select case
        when p_job.raw_paths is not null then 'pdf'
        else case coalesce(kept.rules ->> 'output_format', kept.rules -> 'formats' ->> 0, 'jpeg')
          when 'png' then 'png' when 'pdf' then 'pdf' else 'jpg' end
        end as extension
      from (
        select coalesce(r.schema_definition, s.schema_definition) as rules
        from public.portal_schemas s left join public.rules r on r.hash = p_job.rules_hash
        where s.portal = p_job.portal and s.slot = p_job.slot and s.version = p_job.portal_version
      ) kept
    ) s
    where p_job.attempt > 0
  )
  select coalesce(jsonb_agg(key order by key), '[]') from keys where key is not null
$$;

-- What the owner makes later is nobody's until it is granted. Postgres lets everybody execute a new function, and older
-- Supabase projects grant everything on what is new in schema public.
alter default privileges revoke execute on functions from public;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
