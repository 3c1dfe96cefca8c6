-- Takes: $1 entity, $2 ids as an array's text. Returns a row for each id: the version of the row or of the deleted
-- entity (null: the source never had the id), and of the row its compared texts and its document (null: there is no
-- row). Versions of deleted entities are tombstones, or, where versions are beside the table, the entries that stay.
select requested.id,
  coalesce(found.version, d.version, v.version)::text as version, found.texts, found.document
from unnest($2::text::text[]) as requested (id)
left join lateral (
  select {version} as version, {texts} as texts, {document} as document from {table} where {requested}
) as found on true
left join lockstep.tombstones as d on d.entity = $1::text and d.id = requested.id
left join lockstep.row_versions as v on v.entity = $1::text and v.id = requested.id
