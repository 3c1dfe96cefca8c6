/** Marks dead letters of this replica whose entity has that version or a newer one by now: nobody needs to look at them any more. */
import { encodeMark } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../contracts/entity/document.ts";
import { deadLetterTopic } from "../contracts/topics.ts";
import type { Log } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { OpenDeadLetter, OpenDeadLetters } from "../pipeline/open-dead-letters.ts";
import { DeadLetterWatch } from "../pipeline/watch-dead-letters.ts";
import type { DeadLetterWriter } from "./dead-letters.ts";

const EVERY_MS = 5_000;
/** Letters that are looked up at a time. */
const MOST_LOOKED_UP = 1_000;

interface Wanted {
  readonly id: EntityId;
  readonly version: Version;
}

/** One entity's letters, and how far this replica is. */
export interface ResolveSupersededDeps {
  readonly entity: EntityDeclaration;
  /** Those versions that this replica does not have yet. */
  readonly behind: (wanted: readonly Wanted[]) => Promise<readonly Wanted[]>;
  /** Whether this process has a partition: of several processes one marks. */
  readonly has: (partition: number) => boolean;
}

/** Marks for as long as it is not closed. Beside the flow: what fails now is done later. */
export function resolveSupersededDeadLetters(
  deps: { readonly log: Log; readonly logger: Logger; readonly letters: Pick<DeadLetterWriter, "send"> },
  replica: string,
  entities: readonly ResolveSupersededDeps[],
): { close(): Promise<void> } {
  const topics = entities.map(({ entity }) => deadLetterTopic(entity).name);
  const watch = new DeadLetterWatch(deps, topics, (letter) => letter.replica === replica);
  let busy = false;
  const timer = setInterval(async () => {
    const open = watch.deadLetters;
    if (busy || !open) return;
    busy = true;
    try {
      for (const healing of entities) await resolveSuperseded(deps.letters, open, healing);
    } catch (error) {
      deps.logger.debug({ err: error }, "healed dead letters are not marked yet");
    } finally {
      busy = false;
    }
  }, EVERY_MS);
  return {
    close() {
      clearInterval(timer);
      return watch.close();
    },
  };
}

/** @throws what the database says, and when the log does not take the marks. */
export async function resolveSuperseded(
  letters: Pick<DeadLetterWriter, "send">,
  open: OpenDeadLetters,
  { entity, behind, has }: ResolveSupersededDeps,
): Promise<void> {
  const { name: topic } = deadLetterTopic(entity);
  const asked = open
    .nextMatching(MOST_LOOKED_UP, ({ at, id, version }) => at.topic === topic && !!id && !!version && has(at.partition))
    .map((letter) => ({ letter, wanted: healedBy(letter) }));
  if (asked.length === 0) return;
  const missing = new Set((await behind(asked.map(({ wanted }) => wanted))).map(named));
  const healed = asked.filter(({ wanted }) => !missing.has(named(wanted))).map(({ letter }) => letter);
  for (const [partition, of] of Map.groupBy(healed, ({ at }) => at.partition)) {
    const marks = of.map(({ origin }) => encodeMark({ origin, resolution: "superseded", atMs: Date.now() }));
    await letters.send(entity, partition, marks);
    for (const { name } of of) open.close(name);
  }
}

/** The same rule as isSuperseded: a resend that was refused is only healed by something newer. */
const healedBy = ({ id, version, resent }: OpenDeadLetter): Wanted => ({
  id: id!,
  version: version! + (resent ? 1 : 0),
});

const named = ({ id, version }: Wanted): string => `${id} ${version}`;
