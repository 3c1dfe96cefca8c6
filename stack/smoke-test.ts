/**
 * Sends one test write through a stack before it is reported as ready: creates an entity at the gateway, reads it in
 * the PostgreSQL and cache of each replica that has the entity, deletes it, and waits until it is gone everywhere.
 */
import { randomUUID } from "node:crypto";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { exampleForReplica, exampleInput } from "../contracts/entity/example.ts";
import { inputSchema } from "../contracts/entity/schemas.ts";
import { NotYetError, waitFor } from "./wait-for.ts";

/** An example that refers to another entity could only be sent where that one exists. */
const hasUsableExample = (entity: EntityDeclaration): boolean =>
  Object.keys(entity.references).every((member) => (entity.example?.[member] ?? null) === null) &&
  inputSchema(entity).safeParse(exampleInput(entity, randomUUID())).success &&
  entity.replicas.every((replica) => exampleForReplica(entity, replica));

/**
 * The first entity whose example can be sent any number of times and belongs in each of its replicas. The test write
 * and the curl lines of `up` use it. Undefined when there is none.
 */
export const smokeTestEntity = (entities: readonly EntityDeclaration[]): EntityDeclaration | undefined =>
  entities.find(hasUsableExample);

/** Base URLs that the test write goes through. */
export interface SmokeTestTargets {
  readonly gateway: string;
  /** Every instance of every replica. `name` is the replica's name. */
  readonly replicas: readonly { readonly name: string; readonly label: string; readonly url: string }[];
}

/** What the test write reached. */
export interface SmokeTestResult {
  /** Labels of the replicas that showed the write, from PostgreSQL and from their cache. */
  readonly reached: readonly string[];
  /** Labels of the replicas that do not have the entity of the test write. */
  readonly untested: readonly string[];
}

/** How {@link smokeTest} sends the test write. */
export interface SmokeTestOptions {
  /** Bearer token for the gateway; undefined when it needs none. */
  readonly token: string | undefined;
  /** Limit for the whole test, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Runs the smoke test.
 *
 * @param entity what {@link smokeTestEntity} returns.
 * @returns undefined when no write was sent, because no entity is suitable.
 * @throws {UserError} when a step does not succeed in time: the step and the last response.
 */
export async function smokeTest(
  { gateway, replicas }: SmokeTestTargets,
  options: SmokeTestOptions,
  entity: EntityDeclaration | undefined,
): Promise<SmokeTestResult | undefined> {
  if (!entity) return undefined;
  const isTested = ({ name }: { readonly name: string }) => entity.replicas.some((replica) => replica.name === name);
  const tested = replicas.filter(isTested);
  const request = requester(options);
  const credentials: Record<string, string> = options.token ? { authorization: `Bearer ${options.token}` } : {};
  const created = await request({
    what: "the gateway to accept a test write",
    url: `${gateway}/${entity.plural}`,
    // Each attempt has its own unique values: an attempt whose response was lost may have used the previous ones.
    init: () => ({ method: "POST", ...json(exampleInput(entity, randomUUID()), credentials) }),
    isExpected: ({ status }) => status === 201,
  });
  const { id } = (await created.json()) as { id: string };
  const path = `${entity.plural}/${id}`;
  await Promise.all(
    tested.map(async ({ label, url: base }) => {
      const url = `${base}/${path}`;
      await request({ what: `${label} to show the test write`, url, isExpected: ({ status }) => status === 200 });
      const isHit = (r: Response) => r.status === 200 && /\bhit\b/.test(r.headers.get("cache-status") ?? "");
      await request({ what: `${label} to read the test write from its cache`, url, isExpected: isHit });
    }),
  );
  await request({
    what: "the gateway to delete the test write",
    url: `${gateway}/${path}`,
    init: () => ({ method: "DELETE", headers: credentials }),
    // 404: an earlier attempt deleted it, and its response was lost.
    isExpected: ({ status }) => status === 204 || status === 200 || status === 404,
  });
  await Promise.all(
    tested.map(({ label, url }) =>
      request({
        what: `${label} to delete the test write`,
        url: `${url}/${path}`,
        isExpected: ({ status }) => status === 404,
      }),
    ),
  );
  const untested = replicas.filter((replica) => !isTested(replica));
  return { reached: tested.map(({ label }) => label), untested: untested.map(({ label }) => label) };
}

const json = (body: unknown, headers: Record<string, string>): RequestInit => ({
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

interface Step {
  /** For the error message. */
  readonly what: string;
  readonly url: string;
  /** Makes the request of each attempt. Default: GET. */
  readonly init?: () => RequestInit;
  readonly isExpected: (response: Response) => boolean;
}

/** Returns a function that repeats a request until the response is as expected. All steps share one deadline. */
function requester({ timeoutMs, signal }: SmokeTestOptions): (step: Step) => Promise<Response> {
  const deadline = performance.now() + timeoutMs;
  return ({ what, url, init, isExpected }) =>
    waitFor(what, { timeoutMs: deadline - performance.now(), intervalMs: 50, signal }, async () => {
      const requestSignal = AbortSignal.any([signal, AbortSignal.timeout(5_000)]);
      let result: string;
      try {
        const response = await fetch(url, { ...init?.(), signal: requestSignal });
        if (isExpected(response)) return response;
        result = `${response.status} ${(await response.text()).slice(0, 300)}`;
      } catch (error) {
        result = String(error);
      }
      throw new NotYetError(`the last response was: ${result}`);
    });
}
