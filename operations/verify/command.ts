/** `lockstep verify`. */
import { type Command, InvalidArgumentError } from "commander";
import { Redis } from "ioredis";
import { entities, replicaNames } from "../../contracts/entities/index.ts";
import { oneOf, runVerb, type VerbContext, type VerbFlags, verb } from "../verb.ts";
import { differencesText, verifiedText } from "./report.ts";
import { remember } from "./results.ts";
import { type Verified, verify } from "./verify.ts";

export interface Scope {
  readonly replica?: string;
  readonly entity?: string;
  readonly cache: boolean;
  readonly share: number;
  readonly within: number;
}

const fraction = (given: string): number => {
  const value = Number(given);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError("must be above 0, up to 1");
  return value;
};

/** What verify and repair take to say what is compared, and how gently. */
export const scoped = (command: Command): Command =>
  command
    .option("--replica <name>", "only this replica", oneOf("replica", replicaNames))
    .option(
      "--entity <name>",
      "only this entity",
      oneOf(
        "entity",
        entities.map(({ name }) => name),
      ),
    )
    .option("--no-cache", "do not look into the caches")
    .option("--share <fraction>", "part of the time that the source may be busy with this", fraction, 0.1)
    .option("--within <seconds>", "how long a replica may take to hear of what was just committed", Number, 15);

/** Compares what is asked for, and remembers the result. */
export async function verifyScope({ connections, progress, signal }: VerbContext, scope: Scope): Promise<Verified[]> {
  const { redis: url } = connections.addresses;
  const redis = scope.cache && url !== undefined ? new Redis(url, { maxRetriesPerRequest: 1 }) : undefined;
  redis?.on("error", () => {}); // the command that fails tells
  try {
    const source = connections.source();
    const parts = { source, replica: (name: string) => connections.replica(name), log: await connections.log(), redis };
    const verified: Verified[] = [];
    for (const entity of entities.filter(({ name }) => !scope.entity || name === scope.entity)) {
      const replicas = entity.replicas.filter(({ name }) => !scope.replica || name === scope.replica);
      const onProgress = (rows: number) => progress(`${entity.plural}: ${rows} rows compared …`);
      const options = { share: scope.share, withinMs: scope.within * 1_000, signal, onProgress };
      const results = await verify(parts, entity, replicas, options);
      if (scope.cache) await remember(source, results);
      verified.push(...results);
    }
    return verified;
  } finally {
    redis?.disconnect();
  }
}

export const verifyVerb = (): Command =>
  scoped(
    verb(
      "verify",
      "compares source, replicas and caches by content while writes go on; exit status 1 when they differ",
    ),
  ).action(async (flags: VerbFlags & Scope) =>
    runVerb(flags, async (context) => {
      const verified = await verifyScope(context, flags);
      const differ = verified.some(({ differences, behind }) => differences.length > 0 || behind);
      const text = [verifiedText(verified), ...verified.map(differencesText)].filter(Boolean).join("\n");
      return { text, document: { equal: !differ, verified }, status: differ ? 1 : 0 };
    }),
  );
