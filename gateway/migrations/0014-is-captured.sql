-- Whether a write to the table is captured as the entity: the table is the captured one, and has the triggers of
-- lockstep.capture_triggers. The gateway asks before it accepts writes, twice a second, so this reads a few catalog rows
-- by index. lockstep.capture_problems also finds what other writers can bypass, and says what to do.
create function lockstep.is_captured(entity text, relation regclass) returns boolean
language sql stable strict security definer set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from lockstep.captured c where c.entity = is_captured.entity and c.relation = is_captured.relation
  ) and not exists (
    select from lockstep.capture_triggers() e
    left join pg_trigger t on t.tgrelid = is_captured.relation and t.tgname = e.name::name
    where t.oid is null or t.tgenabled not in (e.state, 'A') or t.tgtype <> e.type or t.tgfoid <> e.handler
      or t.tgattr::text <> '' or t.tgqual is not null
      or encode(t.tgargs, 'escape') <> is_captured.entity || '\000'
  )
$$;
