/**
 * What each replica must contain of the products, as SQL text of chaos' own: neither the declaration nor the product's
 * mapping, projection or verification takes part in the comparison.
 */
import type { Sql } from "postgres";

/** One row: its version, and a hash of the members that the replica has. */
export interface CopiedRow {
  readonly id: string;
  readonly version: number;
  readonly hash: string;
}

/** A replica in chaos' own words. */
export interface Copy {
  /** Condition of the rows in the source that belong to the replica. */
  readonly where: string;
  /** Expressions over the source's columns whose values the replica has. */
  readonly source: string;
  /** The same values as the replica's columns. */
  readonly replica: string;
  /** Members of a document of the replica, sorted. */
  readonly members: readonly string[];
  /** True when a document of the source belongs to the replica. */
  readonly has: (document: Readonly<Record<string, unknown>>) => boolean;
}

const moments = "extract(epoch from created_at)::numeric(20, 3), extract(epoch from updated_at)::numeric(20, 3)";
const common = `sku, name, description, price::text, currency, status, tags, ${moments}`;
const members = ["createdAt", "currency", "description", "id", "name", "price", "sku", "status", "tags", "updatedAt"];

/** All replicas, by name. */
export const copies: Readonly<Record<string, Copy>> = {
  catalog: {
    where: "true",
    source: `${common}, stock`,
    replica: `${common}, stock`,
    members: [...members, "stock", "version"].sort(),
    has: () => true,
  },
  storefront: {
    where: "status = 'active'",
    source: `${common}, stock > 0`,
    replica: `${common}, in_stock`,
    members: [...members, "inStock", "version"].sort(),
    has: ({ status }) => status === "active",
  },
};

const rowsOf = (values: string, where: string): string =>
  `select id::text, version::float8 as version, md5(jsonb_build_array(${values})::text) as hash
   from products where ${where}`;

/** The rows that a replica must have, from the source. */
export const expectedRows = (source: Sql, replica: string): Promise<CopiedRow[]> =>
  source.unsafe<CopiedRow[]>(rowsOf(copies[replica]!.source, copies[replica]!.where));

/** The rows that a replica has. */
export const actualRows = (database: Sql, replica: string): Promise<CopiedRow[]> =>
  database.unsafe<CopiedRow[]>(rowsOf(copies[replica]!.replica, "true"));

/** One sentence for each row that differs. Pure. */
export function differencesOf(replica: string, expected: readonly CopiedRow[], actual: readonly CopiedRow[]): string[] {
  const found: string[] = [];
  const rows = new Map(actual.map((row) => [row.id, row]));
  for (const { id, version, hash } of expected) {
    const row = rows.get(id);
    rows.delete(id);
    if (!row) found.push(`${replica} lacks ${id}, which the source has at version ${version}`);
    else if (row.version !== version)
      found.push(`${replica} has version ${row.version} of ${id}, the source has version ${version}`);
    else if (row.hash !== hash) found.push(`${replica} has version ${version} of ${id} with other content`);
  }
  for (const { id, version } of rows.values())
    found.push(`${replica} has version ${version} of ${id}, which it must not have`);
  return found;
}
