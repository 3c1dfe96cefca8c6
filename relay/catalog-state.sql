-- Returns a text that changes with everything that lockstep.capture_problems reads. Each row of a catalog has the id of
-- the transaction that wrote it, so another set of rows has another sum of hashes. This statement takes a tenth of the
-- time of lockstep.capture_problems.
select concat_ws(' ', current_schemas(true),
  (select sum(hashint8(xmin::text::bigint)) from pg_class),
  (select sum(hashint8(xmin::text::bigint)) from pg_attribute),
  (select sum(hashint8(xmin::text::bigint)) from pg_trigger),
  (select sum(hashint8(xmin::text::bigint)) from pg_proc),
  (select sum(hashint8(xmin::text::bigint)) from pg_index),
  (select sum(hashint8(xmin::text::bigint)) from pg_inherits),
  (select sum(hashint8(xmin::text::bigint)) from pg_rewrite),
  (select sum(hashint8(xmin::text::bigint)) from pg_type),
  (select sum(hashint8(xmin::text::bigint)) from pg_range),
  (select sum(hashint8(xmin::text::bigint)) from pg_namespace),
  (select sum(hashint8(xmin::text::bigint)) from lockstep.captured),
  (select sum(hashint8(xmin::text::bigint)) from lockstep.captured_children),
  (select sum(hashint8(xmin::text::bigint)) from lockstep.captured_triggers)) as state
