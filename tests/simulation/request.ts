/** Requests of a process to a server: each takes time, and chance decides what becomes of it. */
import type { SimulatedProcess, World } from "./world.ts";

/**
 * What becomes of a request. `lost`: the server never gets it. `unanswered`: the server does it, and the answer is lost.
 * `late`: as `lost` for the caller, and the server does it later.
 */
type Fate = "done" | "lost" | "unanswered" | "late";

/** Longest time that a late request stays in the network, in ms. */
const MAX_LATE_MS = 2_500;

/** How one kind of server behaves. */
export interface RequestOptions {
  /** The error that a caller gets without an answer. */
  readonly noAnswer: () => Error;
  /** False: a request whose caller gave up is never done later, because its connection is closed. */
  readonly mayBeLate?: boolean;
  /** The connection; undefined: each request finds its own way. */
  readonly connection?: ConnectionState;
}

/** Requests of one connection keep their order. After one without an answer, the server gets none any more. */
export class ConnectionState {
  /** When the last request arrives, and when its answer does. */
  arrivalMs = 0;
  answerMs = 0;
  isCut = false;
}

/** Time of one way through the network, in ms. Mostly short, sometimes long enough for others to go first. */
export function latency({ random }: World): number {
  return random.chance(0.06) ? 5 + random.number() * 200 : 0.3 + random.number() * 2.5;
}

function fateOf({ random, rates }: World, { mayBeLate = true, connection }: RequestOptions): Fate {
  if (connection?.isCut) return "lost";
  if (!random.chance(rates.request)) return "done";
  if (connection) connection.isCut = true;
  return random.pick(mayBeLate ? (["lost", "unanswered", "late"] as const) : (["lost", "unanswered"] as const));
}

/**
 * Sends a request. `effect` runs at the server, at one moment; its result or error is the answer.
 *
 * @throws {Error} what `effect` throws, or `noAnswer()`.
 */
export function request<T>(world: World, from: SimulatedProcess, effect: () => T, options: RequestOptions): Promise<T> {
  const { noAnswer, connection } = options;
  const answer = Promise.withResolvers<T>();
  const fate = fateOf(world, options);
  const arrival = Math.max(world.now + latency(world), connection?.arrivalMs ?? 0);
  const answerAt = Math.max(arrival + latency(world), connection?.answerMs ?? 0);
  if (connection) {
    connection.arrivalMs = arrival;
    connection.answerMs = answerAt;
  }
  const settle = (run: () => void) => void world.schedule(answerAt - world.now, from, run);
  if (fate === "done") {
    world.schedule(arrival - world.now, world.outside, () => {
      try {
        const result = effect();
        settle(() => answer.resolve(result));
      } catch (error) {
        settle(() => answer.reject(error));
      }
    });
    return answer.promise;
  }
  settle(() => answer.reject(noAnswer()));
  if (fate === "lost") return answer.promise;
  const at = fate === "late" ? answerAt + world.random.number() * MAX_LATE_MS : arrival;
  world.schedule(at - world.now, world.outside, () => {
    try {
      effect();
    } catch {
      // Nobody waits for the answer any more.
    }
  });
  return answer.promise;
}
