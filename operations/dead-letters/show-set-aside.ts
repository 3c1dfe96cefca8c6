/** The content of a change that the relay has set aside. */
import { parseRow } from "../../contracts/entity/parse.ts";
import { documentOf } from "../../contracts/entity/row.ts";
import { header } from "../../contracts/event.ts";
import type { Project } from "../../contracts/project.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { type Content, type EventView, viewEvent } from "./event-view.ts";
import type { SetAsideEntry } from "./set-aside.ts";

/** A larger row is not read: only its size is shown. */
const MAX_BYTES = 8_000_000;
/** Characters of a header that are shown. */
const MAX_HEADER_LENGTH = 200;

interface ContentRow {
  readonly bytes: number | null;
  readonly data: string | null;
  readonly actor: string | null;
  readonly traceparent: string | null;
}

/**
 * Reads the row and compares it with its entity's declaration.
 *
 * @throws {Error} when it is no longer set aside, or the source is unavailable.
 */
export async function readSetAsideContent(
  source: Sql,
  project: Pick<Project, "allEntities">,
  entry: SetAsideEntry,
  reveal: boolean,
): Promise<Content> {
  const [row] = await source<ContentRow[]>`
    select octet_length(data::text) as bytes, case when octet_length(data::text) <= ${MAX_BYTES} then data::text end as data,
      left(actor, ${MAX_HEADER_LENGTH}) as actor, left(traceparent, ${MAX_HEADER_LENGTH}) as traceparent
    from lockstep.set_aside where seq = ${entry.seq}`;
  if (!row) throw new Error(`${entry.name} is no longer set aside: a newer state was sent, or it was dropped`);
  const { actor, traceparent } = row;
  return {
    stack: "",
    headers: {
      ...(actor === null ? {} : { [header.actor]: actor }),
      ...(traceparent === null ? {} : { [header.traceparent]: traceparent }),
    },
    key: entry.deadLetter.id ?? null,
    bytes: row.bytes,
    event: viewRow(project, entry, row, reveal),
    ...(reveal ? { value: row.data } : {}),
  };
}

function viewRow(
  { allEntities }: Pick<Project, "allEntities">,
  { entity: { name } }: SetAsideEntry,
  { bytes, data }: ContentRow,
  reveal: boolean,
): EventView {
  const unreadable = (reason: string): EventView => ({ unreadable: reason, fields: [] });
  if (bytes === null) return unreadable("the change has no row: it is a delete");
  if (data === null) return unreadable(`the row is too large to be shown (${bytes} bytes)`);
  const entity = allEntities.find((declared) => declared.name === name);
  if (!entity) return unreadable(`no declaration has the name ${name}, so its fields are not known`);
  try {
    const document = documentOf(entity, parseRow(entity, data));
    return viewEvent(entity, undefined, { value: Buffer.from(JSON.stringify(document)), headers: {} }, reveal);
  } catch (error) {
    return unreadable(`the row cannot be read as a document: ${error instanceof Error ? error.name : typeof error}`);
  }
}
