/** The members of a key that no client chooses: the gateway makes UUIDs, the database makes all others. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Document } from "../contracts/entity/document.ts";
import { quotedTable } from "../contracts/entity/table.ts";
import type { Source } from "./source.ts";
import { execute } from "./statements/execute.ts";

const RESERVE =
  "select lockstep.column_default($1::text::regclass, $2::text) as value from generate_series(1, $3::int)";
/** Values of one reservation. A reserved value that no insert takes leaves a gap in the column's sequence. */
const MAX_RESERVED = 64;
/** Reserved values are thrown away after this time, in milliseconds, so that new rows follow each other. */
const MAX_AGE_MS = 2_000;

/** Makes the members of new keys that clients cannot set. */
export class GeneratedKeys {
  private readonly members: readonly (readonly [member: string, next: () => string | Promise<string>])[];
  /** True when a member's values come from the database. */
  private readonly isReserving: boolean;

  constructor(source: Pick<Source, "query">, { table, fields, key }: EntityDeclaration) {
    const generated = key.filter((member) => fields[member]!.readOnly);
    this.members = generated.map((member) => {
      // UUIDv7: consecutive ids are neighbours in the index (RFC 9562, section 5.7).
      if (fields[member]!.kind === "uuid") return [member, () => Bun.randomUUIDv7()];
      const reserved = new ReservedValues(source, quotedTable(table), fields[member]!.column);
      return [member, () => reserved.next()];
    });
    this.isReserving = generated.some((member) => fields[member]!.kind !== "uuid");
  }

  /** Adds them to a document. @throws {DatabaseUnavailableError} and the errors of the database. */
  complete(document: Document): Document | Promise<Document> {
    if (this.isReserving) return this.completeFromDatabase(document);
    const generated: Document = {};
    for (const [member, next] of this.members) generated[member] = next();
    return Object.assign(generated, document);
  }

  private async completeFromDatabase(document: Document): Promise<Document> {
    const generated: Document = {};
    for (const [member, next] of this.members) generated[member] = await next();
    return Object.assign(generated, document);
  }
}

/** The values of a column's default, reserved in blocks: a write knows its key before its statement runs. */
class ReservedValues {
  private values: string[] = [];
  private reservedAtMs = 0;
  private size = 1;
  private reservation: Promise<void> | undefined;

  constructor(
    private readonly source: Pick<Source, "query">,
    private readonly table: string,
    private readonly column: string,
  ) {}

  async next(): Promise<string> {
    for (;;) {
      if (performance.now() - this.reservedAtMs > MAX_AGE_MS) this.values = [];
      const value = this.values.shift();
      if (value !== undefined) return value;
      this.reservation ??= this.reserve().finally(() => {
        this.reservation = undefined;
      });
      await this.reservation;
    }
  }

  /** Each block is twice as large as the one before while it is used up in time. */
  private async reserve(): Promise<void> {
    const isInUse = performance.now() - this.reservedAtMs < MAX_AGE_MS;
    this.size = isInUse ? Math.min(2 * this.size, MAX_RESERVED) : 1;
    const rows = await execute<{ value: string | null }>(this.source, RESERVE, [this.table, this.column, this.size]);
    if (rows.some(({ value }) => value === null))
      throw new Error(`the column ${this.column} of ${this.table} has no default that makes its values`);
    this.values = rows.map(({ value }) => value!);
    this.reservedAtMs = performance.now();
  }
}
