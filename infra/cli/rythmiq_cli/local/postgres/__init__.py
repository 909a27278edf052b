"""A Postgres on this machine that looks like Supabase's."""
