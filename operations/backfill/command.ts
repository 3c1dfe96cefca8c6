/** `lockstep backfill`. */
import type { Command } from "commander";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Project } from "../../contracts/project.ts";
import { ConsumerBackpressure } from "../consumer-backpressure.ts";
import {
  entityParser,
  integerParser,
  parseId,
  readId,
  runVerb,
  type VerbContext,
  type VerbFlags,
  type VerbResult,
  verb,
} from "../verb.ts";
import { backfill } from "./backfill.ts";
import { backfillMissing } from "./backfill-missing.ts";

interface Flags extends VerbFlags {
  readonly entity?: string;
  readonly rate: number;
  readonly from?: string;
  readonly missingOnly?: boolean;
}

/** The command `backfill`. */
export const backfillVerb = (project: Project): Command =>
  verb(
    "backfill",
    "sends rows without an event: from before capture, or loaded with triggers off; continues where it was interrupted",
  )
    .option("--entity <name>", "only this entity", entityParser(project))
    .option("--rate <rows>", "most rows per second; fewer while the outbox is busy", integerParser(1, 100_000), 2_000)
    .option("--from <id>", "start over after this id", parseId)
    .option("--missing-only", "compare with the replicas and send only missing rows: for a few rows among many")
    .action(async (flags: Flags) => runVerb(project, flags, (context) => runBackfill(context, flags)));

/** One entity of the JSON output. */
interface EntityResult {
  readonly entity: string;
  readonly sent: number;
  /** How many of these rows earlier runs had sent. */
  readonly earlier?: number;
  readonly finished: boolean;
}

async function runBackfill(context: VerbContext, flags: Flags): Promise<VerbResult> {
  const results: EntityResult[] = [];
  for (const entity of context.project.entities.filter(({ name }) => !flags.entity || name === flags.entity)) {
    if (context.signal.aborted) break;
    results.push(await (flags.missingOnly ? sendMissing : sendAll)(context, entity, flags));
  }
  const finished = !context.signal.aborted && results.every((result) => result.finished);
  const document = { finished, backfills: results };
  return { text: results.map(resultText).join("\n"), document, status: finished ? 0 : 1 };
}

const resultText = ({ entity, sent, earlier = 0, finished }: EntityResult): string =>
  `${entity}: ${sent} rows sent${earlier > 0 ? `, ${earlier} of them by earlier runs` : ""}` +
  (finished ? "" : "; not finished: run the command again to continue");

async function optionsOf({ connections, signal }: VerbContext, entity: EntityDeclaration, { rate, from }: Flags) {
  const backpressure = new ConsumerBackpressure(await connections.log(), entity);
  return { rate, from: from === undefined ? undefined : readId(entity, from), backpressure, signal };
}

async function sendAll(context: VerbContext, entity: EntityDeclaration, flags: Flags): Promise<EntityResult> {
  const onProgress = ({ sent }: EntityResult) => context.progress(`${entity.plural}: ${sent} rows sent …`);
  const options = await optionsOf(context, entity, flags);
  return backfill(context.connections.source(), entity, { ...options, onProgress });
}

async function sendMissing(context: VerbContext, entity: EntityDeclaration, flags: Flags): Promise<EntityResult> {
  const { connections, progress } = context;
  const deps = { source: connections.source(), replica: (name: string) => connections.replica(name) };
  const onProgress = ({ rows, sent }: { rows: number; sent: number }) =>
    progress(`${entity.plural}: ${rows} rows compared, ${sent} sent …`);
  const options = await optionsOf(context, entity, flags);
  return { entity: entity.name, ...(await backfillMissing(deps, entity, entity.replicas, { ...options, onProgress })) };
}
