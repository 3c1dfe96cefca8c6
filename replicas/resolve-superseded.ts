/** Marks open dead letters as superseded when the replica has their version or a newer one: nothing is left to do. */
import { encodeMark } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../contracts/entity/document.ts";
import { deadLetterTopic } from "../contracts/topics.ts";
import type { Log } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { OpenDeadLetter, OpenDeadLetters } from "../pipeline/open-dead-letters.ts";
import { DeadLetterWatch } from "../pipeline/watch-dead-letters.ts";
import type { DeadLetterWriter } from "./dead-letters.ts";

/** Time between two rounds. */
const INTERVAL_MS = 5_000;
/** Dead letters per round and entity. */
const MAX_PER_ROUND = 1_000;

interface EntityVersion {
  readonly id: EntityId;
  readonly version: Version;
}

/** One entity whose dead letters are resolved. */
export interface ResolveSupersededDeps {
  readonly entity: EntityDeclaration;
  /** Resolves with those versions that this replica does not have yet. */
  readonly behind: (versions: readonly EntityVersion[]) => Promise<readonly EntityVersion[]>;
  /** True for a partition that this process consumes: of several processes, one writes the mark. */
  readonly isOwned: (partition: number) => boolean;
}

/** A running resolver. */
export interface DeadLetterResolver {
  /** Open dead letters of the replica; undefined until all are read, and while that is interrupted. */
  openCount(): number | undefined;
  close(): Promise<void>;
}

/** Runs a round every {@link INTERVAL_MS} until it is closed, beside the consumer. A failed round is repeated. */
export function resolveSupersededDeadLetters(
  deps: { readonly log: Log; readonly logger: Logger; readonly deadLetters: Pick<DeadLetterWriter, "write"> },
  replica: string,
  entities: readonly ResolveSupersededDeps[],
): DeadLetterResolver {
  const topics = entities.map(({ entity }) => deadLetterTopic(entity).name);
  const watch = new DeadLetterWatch(deps, topics, (deadLetter) => deadLetter.replica === replica);
  let busy = false;
  const timer = setInterval(async () => {
    const open = watch.deadLetters;
    if (busy || !open) return;
    busy = true;
    try {
      await watch.removeExpired();
      for (const entity of entities) await resolveSuperseded(deps.deadLetters, open, entity);
    } catch (error) {
      deps.logger.debug({ err: error }, "superseded dead letters could not be marked; retrying in 5 s");
    } finally {
      busy = false;
    }
  }, INTERVAL_MS);
  return {
    openCount: () => watch.deadLetters?.count(() => true),
    close() {
      clearInterval(timer);
      return watch.close();
    },
  };
}

/** Runs one round for one entity. @throws the database's error, and the log's when it does not store the marks. */
export async function resolveSuperseded(
  deadLetters: Pick<DeadLetterWriter, "write">,
  open: OpenDeadLetters,
  { entity, behind, isOwned }: ResolveSupersededDeps,
): Promise<void> {
  const { name: topic } = deadLetterTopic(entity);
  const candidates = open
    .nextMatching(
      MAX_PER_ROUND,
      ({ at, id, version }) => at.topic === topic && !!id && !!version && isOwned(at.partition),
    )
    .map((deadLetter) => ({ deadLetter, required: requiredVersion(deadLetter) }));
  if (candidates.length === 0) return;
  const missing = new Set((await behind(candidates.map(({ required }) => required))).map(keyOf));
  const superseded = candidates
    .filter(({ required }) => !missing.has(keyOf(required)))
    .map(({ deadLetter }) => deadLetter);
  for (const [partition, group] of Map.groupBy(superseded, ({ at }) => at.partition)) {
    const marks = group.map(({ origin }) => encodeMark({ origin, resolution: "superseded", atMs: Date.now() }));
    await deadLetters.write(entity, partition, marks);
    for (const { name } of group) open.close(name);
  }
}

/** The version that supersedes a dead letter. A rejected resend needs a newer one (the rule of `isSuperseded`). */
const requiredVersion = ({ id, version, resent }: OpenDeadLetter): EntityVersion => ({
  id: id!,
  version: version! + (resent ? 1 : 0),
});

const keyOf = ({ id, version }: EntityVersion): string => `${id} ${version}`;
