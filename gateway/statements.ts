/**
 * The SQL of one entity, made from its declaration. Each write is one statement, and so one transaction of its own: the row,
 * its version and its outbox row (by trigger) stand or fall together, and no lost connection can leave half of it.
 *
 * Every statement answers one row: `doc`, the row after the change as JSON, or null when nothing was changed; `version`, what
 * the row had before, or null when there was none.
 */
import { columnOf, type EntityDeclaration } from "../contracts/entity.ts";

export interface Statements {
  /** $1 the row as JSON, $2 traceparent, $3 actor. */
  readonly insert: string;
  /** $1 id, $2 the new values as JSON, $3 accepted versions or null, $4 traceparent, $5 actor; sets the given columns only. */
  readonly update: (members: readonly string[]) => string;
  /** $1 id, $2 accepted versions or null, $3 traceparent, $4 actor. */
  readonly remove: string;
  /** $1 id. */
  readonly read: string;
  /** $1 id to start after or null, $2 most rows. */
  readonly list: string;
}

/** The trigger copies the context into the outbox row; being local, it ends with the statement's transaction. */
const context = (first: number) => `context as materialized (
  select set_config('lockstep.traceparent', coalesce($${first}::text, ''), true),
         set_config('lockstep.actor', coalesce($${first + 1}::text, ''), true)
)`;

export function statementsOf(entity: EntityDeclaration): Statements {
  const table = entity.plural;
  const columns = Object.keys(entity.fields).map(columnOf);
  const accepted = (parameter: string) => `(${parameter}::bigint[] is null or t.version = any(${parameter}::bigint[]))`;
  const before = `(select version::int from ${table} where id = $1::uuid) as version`;
  const update = (members: readonly string[]) => {
    const set = members.map(columnOf);
    // An empty change is a write all the same: it takes the row's lock and the next version.
    const assignments = set.length > 0 ? set.map((c) => `${c} = d.${c}`).join(", ") : "version = t.version";
    return `with ${context(4)}, changed as (
      update ${table} t set ${assignments}
      from jsonb_populate_record(null::${table}, $2::text::jsonb) d, context
      where t.id = $1::uuid and ${accepted("$3")}
      returning to_jsonb(t) as doc
    ) select (select doc from changed) as doc, ${before}`;
  };
  return {
    insert: `with ${context(2)}, changed as (
      insert into ${table} as t (id, ${columns.join(", ")})
      select d.id, ${columns.map((c) => `d.${c}`).join(", ")} from jsonb_populate_record(null::${table}, $1::text::jsonb) d, context
      returning to_jsonb(t) as doc
    ) select doc, null::int as version from changed`,
    update,
    remove: `with ${context(3)}, changed as (
      delete from ${table} t using context where t.id = $1::uuid and ${accepted("$2")} returning to_jsonb(t) as doc
    ) select (select doc from changed) as doc, ${before}`,
    read: `select to_jsonb(t) as doc from ${table} t where id = $1::uuid`,
    list: `select to_jsonb(t) as doc from ${table} t where ($1::uuid is null or id > $1::uuid) order by id limit $2::int`,
  };
}
