, written as materialized (
  -- All parents are locked before: `changed` is read to its end first.
  select lockstep.in_turn({statements}, coalesce(jsonb_agg(
    jsonb_build_object('id', changed.id, 'children', {lists})), '[]')) as children
  from {rows}
), answered as (
  select changed.id, changed.doc || coalesce(written.children -> changed.id::text, '{}') as doc{written} from changed, written
)
