/** A small run of chaos in which every promise held. Tests change it to break one. */
import type { Run } from "../../chaos/checker.ts";
import type { Operation, ReadOperation, WriteOperation } from "../../chaos/history.ts";
import type { SeenRecord } from "../../chaos/rest/at-rest.ts";
import { project } from "../project/index.ts";

/** Ids of the entities: one that is deleted in the end, and one that stays. */
export const [GONE, KEPT] = ["0190-gone", "0190-kept"] as const;

/** The whole document of a version. */
export const documentOf = (id: string, version: number, status: string, name = `${id} ${version}`) => ({
  ...{ id, version, sku: id, name, description: "", price: "1.50", currency: "BRL", stock: 3, status, tags: [] },
  ...{ createdAt: "2026-01-01T00:00:00.000Z", updatedAt: "2026-01-01T00:00:00.000Z" },
});

type Document = ReturnType<typeof documentOf>;

/** The document as a replica answers it. */
export function answerOf(replica: string, { stock, ...document }: Document): Record<string, unknown> {
  return replica === "catalog" ? { ...document, stock } : { ...document, inStock: stock > 0 };
}

/** A committed write. */
export const write = (changes: Partial<WriteOperation>): WriteOperation => ({
  ...{ client: "writer 1", kind: "change", via: "http", outcome: "committed", status: 200, start: 0, end: 1 },
  ...{ id: KEPT, version: 1, token: undefined, readableIn: [], key: undefined, body: undefined },
  ...{ sets: undefined, requires: undefined },
  ...changes,
});

/** A read that saw a document. */
export const read = (changes: Partial<ReadOperation>): ReadOperation => ({
  ...{ client: "reader 1", kind: "read", replica: "catalog", id: KEPT, start: 0, end: 1, outcome: "seen" },
  ...{ version: 1, from: "cache", required: undefined, document: undefined },
  ...changes,
});

/** A record of a topic. */
export const record = (changes: Partial<SeenRecord>): SeenRecord => ({
  ...{ partition: 0, offset: 0, key: KEPT, version: 1, isDelete: false, isResend: false, document: undefined },
  ...changes,
});

const history: readonly [id: string, version: number, status: string | undefined][] = [
  [GONE, 1, "active"],
  [KEPT, 1, "draft"],
  [GONE, 2, "draft"],
  [GONE, 3, "active"],
  [KEPT, 2, "active"],
  [GONE, 4, undefined],
];

const belongs = (replica: string, status: string | undefined): boolean =>
  status !== undefined && (replica === "catalog" || status === "active");

/** The run. Its operations are in order of time; the n-th version is written at n × 100 ms and read 50 ms later. */
export function exampleRun(): Run {
  const operations: Operation[] = history.flatMap(([id, version, status], i): Operation[] => {
    const start = i * 100;
    const document = status === undefined ? undefined : documentOf(id, version, status);
    const kind = document === undefined ? "delete" : version === 1 ? "create" : "change";
    const sets = document && { name: document.name, status };
    const reads = ["catalog", "storefront"].map((replica) => {
      const at = { replica, id, start: start + 50, end: start + 60 };
      return belongs(replica, status)
        ? read({ ...at, version, document: answerOf(replica, document!) })
        : read({ ...at, outcome: "absent", version: undefined });
    });
    return [write({ kind, id, version, sets, start, end: start + 20 }), ...reads];
  });
  const events = history.map(([id, version, status], offset) =>
    record({
      ...{ offset, key: id, version, isDelete: status === undefined },
      document: status === undefined ? { id, version } : documentOf(id, version, status),
    }),
  );
  const routed = (replica: string) =>
    history.map(([id, version, status], offset) =>
      record({
        ...{ offset, key: id, version, isDelete: !belongs(replica, status) },
        document: belongs(replica, status) ? answerOf(replica, documentOf(id, version, status!)) : undefined,
      }),
    );
  const rows = [{ id: KEPT, version: 2, hash: "h" }];
  const byReplica = <T>(value: (replica: string) => T) =>
    new Map(["catalog", "storefront"].map((replica) => [replica, value(replica)]));
  return {
    system: { kind: "embedded", project },
    operations,
    faults: [],
    planted: [],
    statuses: [{ at: 2_000, conditions: [] }],
    rowCounts: [],
    quietAt: 1_000,
    inStepAt: 1_500,
    atRest: {
      source: new Map([[KEPT, 2]]),
      deleted: new Map([[GONE, 4]]),
      expected: byReplica(() => rows),
      actual: byReplica(() => rows),
      events,
      routed: byReplica(routed),
      deadLetters: [],
      verify: { verdict: "equal", text: "equal" },
    },
  };
}
