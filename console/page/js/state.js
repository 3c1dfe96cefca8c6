/** What the page knows, and how events change it. All lists are bounded, however long the page is open. */

const MAX_POINTS = 120;
const MAX_WRITES = 20;
const MAX_ACTIVITY = 50;
const MAX_JOBS = 10;

/**
 * @typedef {{ count: number, p50: number | null, p99: number | null }} Quantiles
 * @typedef {{ kind: string, replica: string | null, atMs: number, tookMs: number, note: string | null,
 *   record: string | null }} Hop
 * @typedef {{ number: number, entity: string, id: string | null, version: number | null, operation: string,
 *   startedMs: number, traceId: string | null, hops: Hop[] }} Write
 * @typedef {{ kind: string, atMs: number, name: string | null, count: number | null, action: string | null }} Activity
 * @typedef {{ number: number, kind: string, name: string | null, state: string, done: number | null,
 *   total: number | null, problem: string | null, result: Record<string, number> | null }} Job
 * @typedef {{ name: string, schema: any, required: boolean, initial: any, private: boolean, unique: boolean }} Field
 * @typedef {{ name: string, topic: string, fields: string[] }} Replica
 * @typedef {{ name: string, plural: string, schemaVersion: number, eventsTopic: string, deadLetterTopic: string,
 *   fields: Field[], example: any, replicas: Replica[] }} Entity
 * @typedef {{ operations: boolean, traceUrl: string | null, stack: boolean, entities: Entity[] }} About
 * @typedef {{ id: string, version: number, document: any }} Stored an entity in the source
 * @typedef {{ entity: Entity, id: string, label: string }} Selection the entity in the form
 * @typedef {{ connected: boolean | null, snapshot: any, history: Quantiles[], writes: Write[], shown: number | null,
 *   activity: Activity[], jobs: Job[], selection: Selection | null }} State `shown`: number of the chosen write
 * @typedef {{ about: About, state: State, attempt: (work: () => Promise<unknown>) => Promise<void>, redraw: () => void,
 *   announce: (message: string) => void }} Page what each panel gets; `attempt` shows the error of `work`
 */

/** @returns {State} */
export const emptyState = () => ({
  connected: null,
  snapshot: null,
  history: [],
  writes: [],
  shown: null,
  activity: [],
  jobs: [],
  selection: null,
});

/** Changes the state by one event of the stream. @param {State} state @param {string} event @param {any} data */
export function applyEvent(state, event, data) {
  switch (event) {
    case "hello":
      state.snapshot = data.snapshot ?? state.snapshot;
      state.history = data.history;
      state.writes = data.writes;
      state.activity = data.activity;
      state.jobs = data.jobs;
      break;
    case "snapshot":
      state.snapshot = data;
      state.history = [...state.history, data.lastSecond].slice(-MAX_POINTS);
      break;
    case "hops":
      addHops(state, data.write, data.hops);
      break;
    case "activity":
      state.activity = [...state.activity, data].slice(-MAX_ACTIVITY);
      break;
    case "job":
      state.jobs = [...state.jobs.filter((job) => job.number !== data.number), data].slice(-MAX_JOBS);
      break;
  }
}

/** @param {State} state @param {Omit<Write, "hops">} write @param {Hop[]} hops */
function addHops(state, write, hops) {
  const known = state.writes.find(({ number }) => number === write.number);
  if (!known) {
    state.writes = [...state.writes, { ...write, hops }].slice(-MAX_WRITES);
    return;
  }
  known.traceId = write.traceId;
  known.hops = [...known.hops, ...hops];
}

/** The write that the page shows: the one that the user chose, else the newest. @param {State} state */
export const shownWrite = ({ writes, shown }) => writes.find(({ number }) => number === shown) ?? writes.at(-1);

/** @param {Write} write @param {string} kind @param {string | null} [replica] */
export const findHop = (write, kind, replica = null) =>
  write.hops.find((hop) => hop.kind === kind && hop.replica === replica);

/** Names of all replicas, each once. @param {About} about */
export const replicaNamesOf = ({ entities }) => [
  ...new Set(entities.flatMap(({ replicas }) => replicas.map(({ name }) => name))),
];
