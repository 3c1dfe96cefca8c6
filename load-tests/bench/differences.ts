/** Compares a source and its replicas row by row, by what the declarations say a replica has. */
import type { EntityDeclaration, Shape } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { keyOf } from "../../contracts/entity/key.ts";
import { documentOf } from "../../contracts/entity/row.ts";
import { quotedName, quotedTable, type Table } from "../../contracts/entity/table.ts";
import { sleep } from "../../platform/async/sleep.ts";
import { connectPool } from "../../platform/postgres/connect.ts";
import type { SystemUnderTest } from "./measurement.ts";

/** Longest wait for differences to disappear in an idle stack, in milliseconds. */
const TIMEOUT_MS = 30_000;
const POLL_MS = 1_000;

type TableShape = Shape & { readonly table: Table };

/** All rows of a table by id, as documents of the given shape: the entity's, or one of its replicas'. */
export async function readTable(
  url: string,
  entity: EntityDeclaration,
  shape: TableShape,
): Promise<Map<string, Document>> {
  const sql = connectPool(url, { max: 1, name: "lockstep-bench", statementTimeoutMs: 0 });
  try {
    const rows = await sql.unsafe<{ row: Record<string, unknown> }[]>(
      `select to_jsonb(t)${childrenOf(entity, shape)} as row from ${quotedTable(shape.table)} t`,
    );
    return new Map(
      rows.map(({ row }) => {
        const document = documentOf(shape, row);
        return [keyOf(entity, document), document] as const;
      }),
    );
  } finally {
    await sql.end();
  }
}

/** SQL that adds the lists of children to a row. */
const childrenOf = (entity: EntityDeclaration, { fields, children }: Shape): string =>
  Object.entries(children)
    .map(([member, { table, fields: own, key, parentKey }]) => {
      const order = key.map((part) => `c.${quotedName(own[part]!.column)}`).join(", ");
      const isOfParent = parentKey
        .map((part, i) => `c.${quotedName(own[part]!.column)} = t.${quotedName(fields[entity.key[i]!]!.column)}`)
        .join(" and ");
      return ` || jsonb_build_object('${member.replaceAll("'", "''")}', (
        select coalesce(jsonb_agg(to_jsonb(c) order by ${order}), '[]') from ${quotedTable(table)} c where ${isOfParent}))`;
    })
    .join("");

/**
 * The differences between a source and one replica, by content. Empty when they are equal.
 *
 * @param replicaName as which the replica is declared.
 */
export async function differences(
  sourceUrl: string,
  replicaUrl: string,
  replicaName: string,
  entities: readonly EntityDeclaration[],
): Promise<string[]> {
  const found: string[] = [];
  for (const entity of entities) {
    const replica = entity.replicas.find(({ name }) => name === replicaName);
    if (!replica) continue;
    const [source, actual] = await Promise.all([
      readTable(sourceUrl, entity, entity),
      readTable(replicaUrl, entity, replica),
    ]);
    for (const [id, document] of source) {
      if (!replica.filter(document)) continue;
      const { version } = document;
      const expected = replica.project(document);
      const row = actual.get(id);
      actual.delete(id);
      if (!row) found.push(`${replicaName}: ${id} version ${version} is missing`);
      else if (!Bun.deepEquals(sorted(row), sorted(expected)))
        found.push(`${replicaName}: ${id} is ${JSON.stringify(row)} instead of ${JSON.stringify(expected)}`);
    }
    for (const [id, { version }] of actual)
      found.push(`${replicaName}: ${id} version ${version} exists and should not`);
  }
  return found;
}

const sorted = (document: Document) =>
  Object.fromEntries(Object.entries(document).sort(([a], [b]) => (a < b ? -1 : 1)));

/**
 * The differences between the source and its replicas that remain after up to 30 s. Empty as soon as all are equal.
 *
 * @param declaredName maps the name of a replica to the name that it is declared as. Default: the same name.
 */
export async function remainingDifferences(
  { source, replicas, project }: Pick<SystemUnderTest, "source" | "replicas" | "project">,
  declaredName: (replica: string) => string = (replica) => replica,
): Promise<string[]> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const remaining: string[] = [];
    for (const { name, url } of replicas)
      remaining.push(...(await differences(source.url, url, declaredName(name), project.entities)));
    if (remaining.length === 0 || performance.now() > deadline) return remaining;
    await sleep(POLL_MS);
  }
}
