-- What is in the rule book beside a name that is not: asked for only when a job was refused for it, so that the refusal
-- says which of portal, version and slot is wrong.
create function public.rule_names(p_portal text, p_version text) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'portals', (
      select coalesce(jsonb_agg(name order by name), '[]')
      from (
        select portal from public.portal_schemas where is_current union select alias from public.portal_aliases
      ) known (name)
    ),
    'versions', (
      select coalesce(jsonb_agg(distinct s.version), '[]') from public.portal_schemas s where s.portal = asked.portal
    ),
    'slots', (
      select coalesce(jsonb_agg(s.slot order by s.slot), '[]') from public.portal_schemas s
      where s.portal = asked.portal and case when p_version is null then s.is_current else s.version = p_version end
    )
  )
  from (
    select coalesce((select portal from public.portal_aliases where alias = p_portal), p_portal)
  ) asked (portal)
$$;

revoke all on function public.rule_names(text, text) from public, anon, authenticated;
grant execute on function public.rule_names(text, text) to service_role;
