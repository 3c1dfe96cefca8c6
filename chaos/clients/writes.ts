/** One write of the source, and what its answer says. */
import type { Sql } from "postgres";
import { withTimeout } from "../../platform/async/timeout.ts";
import type { WriteOperation } from "../history.ts";
import { ANSWER_TIMEOUT_MS, type ClientDeps, pathOf, versionOf } from "./client.ts";

/** What a client wants to write, and how. */
export interface WriteRequest {
  readonly kind: WriteOperation["kind"];
  /** Undefined for a create through the gateway, which chooses the id. */
  readonly id: string | undefined;
  readonly sets: Readonly<Record<string, unknown>> | undefined;
  readonly key?: string | undefined;
  /** Version for `If-Match`. */
  readonly requires?: number | undefined;
  /** Seconds for `Prefer: wait`. */
  readonly waitSeconds?: number | undefined;
}

const methods = { create: "POST", change: "PATCH", delete: "DELETE" } as const;
const nothing = { version: undefined, token: undefined, readableIn: [], body: undefined } as const;

/** Sends a write to the gateway, and records what came of it. Never rejects. */
export async function writeByHttp(deps: ClientDeps, request: WriteRequest): Promise<WriteOperation> {
  const { name, addresses, now, record, entities } = deps;
  const { kind, id, sets, key, requires, waitSeconds } = request;
  const headers: Record<string, string> = {};
  if (sets) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  if (requires !== undefined) headers["if-match"] = `"${requires}"`;
  if (waitSeconds) headers.prefer = `wait=${waitSeconds}`;
  const start = now();
  const answer = await fetch(`${addresses.gateway}${id ? pathOf(id) : "/products"}`, {
    method: methods[kind],
    headers,
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    ...(sets ? { body: JSON.stringify(sets) } : {}),
  }).then(understand, () => ({ ...nothing, id: undefined, outcome: "unknown" as const, status: undefined }));
  const about = { client: name, kind, via: "http", sets, key, requires, start, end: now() } as const;
  const write = { ...about, ...answer, id: id ?? answer.id };
  record(write);
  if (write.outcome === "committed" && write.id) entities.learn(write.id, write.version ?? 0, kind === "delete");
  return write;
}

async function understand(response: Response) {
  const body = await response.text();
  const { status, headers } = response;
  if (status >= 400) return { ...nothing, id: undefined, status, outcome: outcomeOf(status, body) };
  return {
    status,
    outcome: "committed" as const,
    id: body ? (JSON.parse(body) as { id: string }).id : undefined,
    version: versionOf(headers),
    token: headers.get("sync-token") ?? undefined,
    readableIn: confirmedIn(headers.get("lockstep-replicas")),
    body,
  };
}

/** A refusal says whether something was changed. An error of the server's own says nothing. */
const outcomeOf = (status: number, body: string): "rejected" | "unknown" =>
  status < 500 || (status === 503 && !body.includes("not known whether")) ? "rejected" : "unknown";

/** `catalog;ms=7, storefront;behind` → `["catalog"]`. */
const confirmedIn = (header: string | null): string[] =>
  (header ?? "").split(",").flatMap((item) => /^\s*([\w-]+);ms=/.exec(item)?.[1] ?? []);

/** Writes as another client of the source's database does, and records what came of it. Never rejects. */
export async function writeBySql(deps: ClientDeps, sql: Sql, request: WriteRequest): Promise<WriteOperation> {
  const { name, now, record, entities } = deps;
  const { kind, id, sets } = request;
  const start = now();
  const late = () => new Error("no answer");
  const answer = await withTimeout(statementOf(sql, request), ANSWER_TIMEOUT_MS, late).then(
    (rows) => (rows[0] ? ({ outcome: "committed", ...rows[0] } as const) : ({ outcome: "rejected" } as const)),
    // An error of the server (five characters) undid the statement, unless it ended the session meanwhile.
    (error: { code?: string }) => ({
      outcome: /^(?!57P|08)[0-9A-Z]{5}$/.test(error.code ?? "") ? ("rejected" as const) : ("unknown" as const),
    }),
  );
  const about = { client: name, kind, via: "sql", sets, key: undefined, requires: undefined } as const;
  const write: WriteOperation = { ...about, status: undefined, start, end: now(), ...nothing, id, ...answer };
  record(write);
  if (write.outcome === "committed" && write.id) entities.learn(write.id, write.version ?? 0, kind === "delete");
  return write;
}

async function statementOf(sql: Sql, { kind, id, sets }: WriteRequest): Promise<{ id: string; version: number }[]> {
  if (kind === "create") return await sql`insert into products ${sql({ id, ...sets })} returning id, version::int`;
  if (kind === "change")
    return await sql`update products set ${sql({ ...sets })} where id = ${id ?? null} returning id, version::int`;
  return await sql`delete from products where id = ${id ?? null} returning id, (version + 1)::int as version`;
}
