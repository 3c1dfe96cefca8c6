/** What the page knows, and how events change it. Bounded: however long it is open. */

const MOST_POINTS = 120;
const MOST_WRITES = 20;
const MOST_HAPPENINGS = 50;
const MOST_JOBS = 10;

/**
 * @typedef {{ count: number, p50: number | null, p99: number | null }} Quantiles
 * @typedef {{ kind: string, replica: string | null, atMs: number, tookMs: number, note: string | null, place: string | null }} Hop
 * @typedef {{ number: number, entity: string, id: string | null, version: number | null, operation: string, startedMs: number, traceId: string | null, hops: Hop[] }} Write
 * @typedef {{ kind: string, atMs: number, name: string | null, count: number | null, act: string | null }} Happening
 * @typedef {{ number: number, kind: string, name: string | null, state: string, done: number | null, total: number | null, problem: string | null, result: Record<string, number> | null }} Job
 * @typedef {{ name: string, schema: any, required: boolean, initial: any, private: boolean, unique: boolean }} Field
 * @typedef {{ name: string, plural: string, schemaVersion: number, eventsTopic: string, deadLetterTopic: string, fields: Field[], example: any, replicas: { name: string, topic: string, fields: string[] }[] }} Entity
 * @typedef {{ operations: boolean, traceUrl: string | null, stack: boolean, entities: Entity[] }} About
 * @typedef {{ connected: boolean | null, snapshot: any, history: Quantiles[], writes: Write[], shown: number | null, happenings: Happening[], jobs: Job[], chosen: any }} State
 */

/** @returns {State} */
export const emptyState = () => ({
  connected: null,
  snapshot: null,
  history: [],
  writes: [],
  shown: null,
  happenings: [],
  jobs: [],
  chosen: null,
});

/** @param {State} state @param {string} event @param {any} data */
export function take(state, event, data) {
  switch (event) {
    case "hello":
      state.snapshot = data.snapshot ?? state.snapshot;
      state.history = data.history;
      state.writes = data.writes;
      state.happenings = data.happenings;
      state.jobs = data.jobs;
      break;
    case "snapshot":
      state.snapshot = data;
      state.history = [...state.history, data.lastSecond].slice(-MOST_POINTS);
      break;
    case "hops":
      takeHops(state, data.write, data.hops);
      break;
    case "happening":
      state.happenings = [...state.happenings, data].slice(-MOST_HAPPENINGS);
      break;
    case "job":
      state.jobs = [...state.jobs.filter((job) => job.number !== data.number), data].slice(-MOST_JOBS);
      break;
  }
}

/** @param {State} state @param {Omit<Write, "hops">} write @param {Hop[]} hops */
function takeHops(state, write, hops) {
  const known = state.writes.find((one) => one.number === write.number);
  if (!known) {
    state.writes = [...state.writes, { ...write, hops }].slice(-MOST_WRITES);
    return;
  }
  known.traceId = write.traceId;
  known.hops = [...known.hops, ...hops];
}

/** The write whose way is shown: the one that was chosen, else the newest. @param {State} state */
export const shownWrite = (state) => state.writes.find((one) => one.number === state.shown) ?? state.writes.at(-1);

/** @param {Write} write @param {string} kind @param {string | null} [replica] */
export const hopOf = (write, kind, replica = null) =>
  write.hops.find((hop) => hop.kind === kind && hop.replica === replica);
