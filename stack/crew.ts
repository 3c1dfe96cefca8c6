/** All that a stack keeps running, and the state file that tells of it. */
import type { External, PlannedServer, PlannedService } from "./plan.ts";
import { identityOf } from "./processes.ts";
import { type Entry, writeState } from "./state.ts";
import { type Kept, keepRunning, type Part } from "./supervise.ts";

type Planned = PlannedServer | PlannedService;

/** One member, from its first start on. */
export interface Member {
  readonly planned: Planned;
  readonly part: Part;
  readonly url: string;
  readonly kept: Kept;
}

export interface Crew {
  readonly members: () => readonly Member[];
  /** Starts a wave of parts at once. Rejects with the first failure, when all of the wave have settled. */
  hire(wave: readonly { planned: Planned; part: Part }[], signal: AbortSignal): Promise<readonly Member[]>;
  /** Tells readers of the state file that the stack is ready. */
  announceReady(): void;
  /** Ends all, services first. Given a signal, at once with that one. */
  dismiss(signal?: NodeJS.Signals): Promise<void>;
}

const isService = ({ planned }: Member): boolean => "verb" in planned;

/** A crew for a data folder; nobody is in it yet. */
export function gatherCrew(data: string, external: readonly External[], say: (line: string) => void): Crew {
  const members: Member[] = [];
  const places = new Map<Part, number>();
  let ready = false;
  const self = { pid: process.pid, identity: identityOf(process.pid) };
  const publish = () =>
    writeState(data, { supervisor: self, ready, entries: [...members.map(entryOf), ...external.map(externalEntry)] });

  const hireOne = async (planned: Planned, part: Part, signal: AbortSignal): Promise<Member> => {
    const start = performance.now();
    const kept = await keepRunning(part, { say, changed: publish }, signal);
    const member = { planned, part, url: kept.server()?.url ?? "", kept };
    members.push(member);
    // As in the plan, with the services first: that is what a reader of `status` looks for.
    members.sort((a, b) => Number(isService(b)) - Number(isService(a)) || places.get(a.part)! - places.get(b.part)!);
    publish();
    if (!isService(member)) say(`${part.label} is there after ${((performance.now() - start) / 1000).toFixed(1)} s`);
    return member;
  };

  return {
    members: () => members,
    hire: async (wave, signal) => {
      const failed = new AbortController();
      for (const { part } of wave) places.set(part, places.size);
      const hired = await Promise.allSettled(
        wave.map(({ planned, part }) =>
          hireOne(planned, part, AbortSignal.any([signal, failed.signal])).catch((error: unknown) => {
            // The others need not go on; the first reason is the one to tell.
            failed.abort(error);
            throw error;
          }),
        ),
      );
      signal.throwIfAborted();
      failed.signal.throwIfAborted();
      return hired.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    },
    announceReady: () => {
      ready = true;
      publish();
    },
    dismiss: async (signal) => {
      for (const wave of [members.filter(isService), members.filter((m) => !isService(m))])
        await Promise.all(wave.map((member) => member.kept.stop(signal)));
    },
  };
}

function entryOf({ planned, url, kept }: Member): Entry {
  const pid = kept.server()?.pid;
  return {
    name: planned.name,
    kind: planned.kind,
    instance: planned.instance,
    pid: pid ?? null,
    identity: pid === undefined ? undefined : identityOf(pid),
    url,
    restarts: kept.restarts(),
    crashedAt: kept.crashedAt(),
  };
}

const externalEntry = ({ name, kind, instance, url }: External): Entry => ({
  name,
  kind,
  instance,
  pid: null,
  url,
  restarts: 0,
  crashedAt: [],
});
