/** Requests of a process to a server: each takes time, and chance decides what becomes of it. */
import type { SimulatedProcess, World } from "./world.ts";

/**
 * What becomes of a request. `lost`: the server never gets it. `unanswered`: the server does it, and the answer is lost.
 * `late`: as `lost` for the caller, and the server does it later.
 */
type Fate = "done" | "lost" | "unanswered" | "late";

/** Longest time that a late request stays in the network, in ms. */
const MAX_LATE_MS = 4_000;

/** How one kind of server behaves. */
export interface RequestOptions {
  /** The error that a caller gets without an answer. */
  readonly noAnswer: () => Error;
  /** False: a request whose caller gave up is never done later, because its connection is closed. */
  readonly mayBeLate?: boolean;
  /** Earliest moment of the effect, and of the answer: requests of one connection keep their order. */
  readonly after?: { arrival: number; answer: number };
}

/** Time of one way through the network, in ms. Mostly short, sometimes long enough for others to go first. */
export function latency({ random }: World): number {
  return random.chance(0.06) ? 5 + random.number() * 200 : 0.3 + random.number() * 2.5;
}

function fateOf({ random, rates }: World, mayBeLate: boolean): Fate {
  if (!random.chance(rates.request)) return "done";
  return random.pick(mayBeLate ? (["lost", "unanswered", "late"] as const) : (["lost", "unanswered"] as const));
}

/**
 * Sends a request. `effect` runs at the server, at one moment; its result or error is the answer.
 *
 * @throws {Error} what `effect` throws, or `noAnswer()`.
 */
export function request<T>(
  world: World,
  from: SimulatedProcess,
  effect: () => T,
  { noAnswer, mayBeLate = true, after }: RequestOptions,
): Promise<T> {
  const answer = Promise.withResolvers<T>();
  const fate = fateOf(world, mayBeLate);
  const arrival = Math.max(world.now + latency(world), after?.arrival ?? 0);
  const answerAt = Math.max(arrival + latency(world), after?.answer ?? 0);
  if (after) {
    after.arrival = arrival;
    after.answer = answerAt;
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
