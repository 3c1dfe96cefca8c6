/** One read of a replica, and what it says. */
import type { ReadOperation } from "../history.ts";
import { ANSWER_TIMEOUT_MS, type ClientDeps, pathOf } from "./client.ts";

/** What a read requires. */
export interface ReadOptions {
  /** `Sync-Token` of an earlier write. */
  readonly token?: string | undefined;
  /** Version that the token stands for. */
  readonly required?: number | undefined;
}

type Answer = Pick<ReadOperation, "outcome" | "version" | "from" | "document">;

const nothing = { version: undefined, from: undefined, document: undefined } as const;
const HIT = /;\s*hit\b/;

/** Reads an entity from a replica, and records what was seen. Never rejects. */
export async function readOne(
  deps: ClientDeps,
  replica: string,
  id: string,
  { token, required }: ReadOptions = {},
): Promise<ReadOperation> {
  const { name, addresses, now, record } = deps;
  const start = now();
  const headers: Record<string, string> = token ? { "sync-token": token, prefer: "wait=2" } : {};
  const answer = await fetch(`${addresses.replicas.get(replica)}${pathOf(id)}`, {
    headers,
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  }).then(understand, (): Answer => ({ outcome: "unknown", ...nothing }));
  const read = { client: name, kind: "read", replica, id, start, end: now(), required, ...answer } as const;
  record(read);
  return read;
}

async function understand(response: Response): Promise<Answer> {
  const text = await response.text();
  const from = HIT.test(response.headers.get("cache-status") ?? "") ? "cache" : "database";
  if (response.status === 404) return { ...nothing, outcome: "absent", from };
  if (response.status !== 200) return { ...nothing, outcome: text.includes('"BEHIND"') ? "behind" : "rejected" };
  const document = JSON.parse(text) as Record<string, unknown>;
  return { outcome: "seen", version: Number(document.version), from, document };
}

/** Reads a page of a replica, and records each entity in it. Never rejects. */
export async function readList(deps: ClientDeps, replica: string): Promise<void> {
  const { name, addresses, now, record, random, entities } = deps;
  const start = now();
  const newest = entities.ids().at(-random.int(20, 80));
  // Ids ascend with time, so a page after one of the newest has those that change most.
  const cursor = newest && random.chance(0.7) ? `&cursor=${Buffer.from(newest).toString("base64url")}` : "";
  try {
    const response = await fetch(`${addresses.replicas.get(replica)}/products?limit=50${cursor}`, {
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    if (!response.ok) return;
    const { items } = (await response.json()) as { items: Record<string, unknown>[] };
    const end = now();
    for (const document of items) {
      const { id, version } = document as { id: string; version: number };
      const seen = { outcome: "seen", version, from: "list", document, required: undefined } as const;
      record({ client: name, kind: "read", replica, id, start, end, ...seen });
    }
  } catch {
    // A list without an answer says nothing.
  }
}
