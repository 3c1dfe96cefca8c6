-- Takes: $1 entity, $2 ids as an array's text. Returns a row for each id: the version that the replica has recorded
-- (null: none), and of its row the version, the compared texts and the document (null: there is no row). A row without
-- a column for its version has the recorded one.
select requested.id, v.version::text as heard,
  case when found.texts is not null then coalesce(found.version, v.version, 0) end::text as version, found.texts, found.document
from unnest($2::text::text[]) as requested (id)
left join lateral (
  select {version} as version, {texts} as texts, {document} as document from {table} where {requested}
) as found on true
left join {versions} as v on v.entity = $1::text and v.id = requested.id
