-- A fingerprint of each key, kept at its first use: a ring with another key under the same kid is refused before it writes,
-- by the kid's name. The functions present the fingerprints of their rings as the header `x-rythmiq-keys` of the call that
-- they make anyway; the release before presents none, and nothing is compared.

create table public.key_fingerprints (
  ring text not null check (ring in ('encryption', 'dispatch')),
  kid integer not null check (kid between 1 and 65535),
  fingerprint text not null check (fingerprint ~ '^[0-9a-f]{16}$'),
  first_used_at timestamptz not null,
  -- to the minute: when a function last came with this key in its ring, and when with this key as the first of it
  seen_at timestamptz not null,
  current_at timestamptz not null,
  retired_at timestamptz,
  primary key (ring, kid)
);
alter table public.key_fingerprints enable row level security;
alter table public.key_fingerprints force row level security;
revoke all on table public.key_fingerprints from public, anon, authenticated, service_role;
grant select, insert, update on public.key_fingerprints to service_role;

-- What a key is, and that it is retired, stays as it is.
create function public.key_fingerprints_guard() returns trigger
language plpgsql set search_path = '' as $$
begin
  if (new.ring, new.kid, new.fingerprint, new.first_used_at)
    is distinct from (old.ring, old.kid, old.fingerprint, old.first_used_at)
    or (old.retired_at is not null and new.retired_at is distinct from old.retired_at)
  then
    raise exception 'a fingerprint is fixed at the first use of its key' using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger key_fingerprints_guard before update on public.key_fingerprints
  for each row execute function public.key_fingerprints_guard();

-- Compares the rings that the caller presents, [[kid, fingerprint], ...] by ring, the current key first: `refuse` before
-- something is wrapped or sealed, `note` at every other change, which a tick without work makes too. Once a transaction.
-- A current key that was never used is kept. No lock is waited for: who finds one leaves the note to its holder.
create function public.keys_presented() returns trigger
language plpgsql set search_path = '' as $$
declare
  c_refuses constant boolean := tg_argv[0] = 'refuse';
  v_presented text;
  v_key record;
  v_now constant timestamptz := public.instant();
begin
  v_presented := nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-rythmiq-keys';
  if v_presented is null or current_setting('rythmiq.keys_presented', true) in ('refuse', tg_argv[0]) then
    return new;
  end if;
  for v_key in
    select r.key as ring, (e.value ->> 0)::integer as kid, e.value ->> 1 as presented, e.place = 1 as is_current,
        k.fingerprint, k.seen_at, k.current_at, k.retired_at
      from jsonb_each(v_presented::jsonb) r
      cross join lateral jsonb_array_elements(r.value) with ordinality e (value, place)
      left join public.key_fingerprints k on k.ring = r.key and k.kid = (e.value ->> 0)::integer
  loop
    if v_key.fingerprint <> v_key.presented or (v_key.is_current and v_key.retired_at is not null) then
      continue when not c_refuses;
      raise exception '%_KEYS: key % %', upper(v_key.ring), v_key.kid, case
        when v_key.fingerprint <> v_key.presented then 'is not the one of its first use'
        else 'is retired and stands first' end
        using errcode = 'RK001';
    elsif v_key.fingerprint is null then
      if v_key.is_current and pg_try_advisory_xact_lock(7298301106) then
        insert into public.key_fingerprints (ring, kid, fingerprint, first_used_at, seen_at, current_at)
          values (v_key.ring, v_key.kid, v_key.presented, v_now, v_now, v_now) on conflict do nothing;
      end if;
    elsif least(v_key.seen_at, case when v_key.is_current then v_key.current_at end) < v_now - interval '1 minute'
      and pg_try_advisory_xact_lock(7298301106)
    then
      update public.key_fingerprints set
        seen_at = v_now, current_at = case when v_key.is_current then v_now else current_at end
        where ring = v_key.ring and kid = v_key.kid;
    end if;
  end loop;
  perform set_config('rythmiq.keys_presented', tg_argv[0], true);
  return new;
end $$;
create trigger keys_presented before insert on public.uploads
  for each statement execute function public.keys_presented('refuse');
create trigger keys_presented before insert on public.jobs
  for each statement execute function public.keys_presented('refuse');
create trigger keys_noted before update on public.jobs
  for each statement execute function public.keys_presented('note');
create trigger keys_of_a_start before update on public.jobs
  for each row when (new.started_at is distinct from old.started_at)
  execute function public.keys_presented('refuse');

-- For operators: what is known of each key, and how many rows are wrapped under each kid, with one of them. It reads every
-- row once.
create function public.key_state() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'keys', (
      select coalesce(jsonb_agg(to_jsonb(k) order by k.ring, k.first_used_at, k.kid), '[]') from public.key_fingerprints k
    ),
    'rows', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'kid', w.kid, 'count', w.rows, 'user_id', split_part(w.sample, ' ', 1),
        'wrapped_key', split_part(w.sample, ' ', 2)
      ) order by w.kid), '[]')
      from (
        select kid, count(*) as rows, min(user_id || ' ' || wrapped_key) as sample
        from (
          select kid, user_id, wrapped_key from public.jobs where kid is not null
          union all
          select input_kid, user_id, input_wrapped_key from public.jobs where input_kid is not null
          union all
          select kid, user_id, wrapped_key from public.uploads where kid is not null
        ) wrapped
        group by kid
      ) w
    )
  )
$$;

revoke all on function public.key_fingerprints_guard(), public.keys_presented(), public.key_state()
  from public, anon, authenticated, service_role;
grant execute on function public.key_state() to service_role;
