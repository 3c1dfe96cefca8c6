-- Takes: $1 entity, $2 ids as an array's text. Returns a row for each id: the version that the replica has recorded
-- (null: none), and of its row the version, the compared texts and the document (null: there is no row).
select requested.id, v.version::text as heard, t.version::text as version,
  case when t.id is not null then {texts} end as texts,
  case when t.id is not null then {document} end as document
from unnest($2::text::uuid[]) as requested (id)
left join {table} as t on t.id = requested.id
left join {versions} as v on v.entity = $1::text and v.id = requested.id::text
