-- Takes: $1 entity, $2 ids as an array's text. Returns a row for each id: the version of the row or of its tombstone
-- (null: the source never had the id), and of the row its compared texts and its document (null: there is no row).
select requested.id, coalesce(t.version, d.version)::text as version,
  case when t.id is not null then {texts} end as texts,
  case when t.id is not null then {document} end as document
from unnest($2::text::uuid[]) as requested (id)
left join {table} as t on t.id = requested.id
left join lockstep.tombstones as d on d.entity = $1::text and d.id = requested.id::text
