-- What a database holds in schema public, as lines: two databases are alike when their lines are.
select 'relation ' || relname || ' ' || relkind::text || ' ' || coalesce(reloptions::text, '') || ' rls '
  || relrowsecurity || ' forced ' || relforcerowsecurity || ' ' || relpersistence::text
  from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')
union all
select 'column ' || relname || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' not null '
  || attnotnull || ' default ' || coalesce(pg_get_expr(adbin, adrelid), '-')
  || ' identity ' || attidentity::text
  || ' generated ' || attgenerated::text || ' position ' || attnum
  from pg_attribute join pg_class on pg_class.oid = attrelid
  left join pg_attrdef on adrelid = attrelid and adnum = attnum
  where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and attnum > 0 and not attisdropped
union all
select 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
  from pg_constraint where connamespace = 'public'::regnamespace
union all
select 'index ' || pg_get_indexdef(indexrelid) || coalesce(' ' || reloptions::text, '')
  from pg_index join pg_class on pg_class.oid = indexrelid where relnamespace = 'public'::regnamespace
union all
select 'trigger ' || pg_get_triggerdef(t.oid) || ' ' || tgenabled::text
  from pg_trigger t join pg_class on pg_class.oid = tgrelid
  where relnamespace = 'public'::regnamespace and not tgisinternal
union all
select 'function ' || pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
union all
select 'view ' || relname || ' ' || pg_get_viewdef(oid) from pg_class
  where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')
union all
select 'policy ' || concat_ws(' ', tablename, policyname, permissive, roles::text, cmd, qual, with_check)
  from pg_policies where schemaname = 'public'
union all
select 'grant ' || relname || ' ' || acl.grantee::regrole || ' ' || acl.privilege_type || ' ' || acl.is_grantable
  from pg_class, aclexplode(relacl) acl where relnamespace = 'public'::regnamespace
union all
select 'grant ' || relname || '.' || attname || ' ' || acl.grantee::regrole || ' ' || acl.privilege_type
  from pg_attribute join pg_class on pg_class.oid = attrelid, aclexplode(attacl) acl
  where relnamespace = 'public'::regnamespace
union all
select 'grant ' || proname || ' ' || acl.grantee::regrole || ' ' || acl.privilege_type
  from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) acl where pronamespace = 'public'::regnamespace
union all
select 'type ' || typname || ' ' || typtype::text from pg_type where typnamespace = 'public'::regnamespace
