/** `lockstep backfill`. */
import { type Command, InvalidArgumentError } from "commander";
import { entities } from "../../contracts/entities/index.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { ConsumerBackpressure } from "../consumer-backpressure.ts";
import {
  choiceParser,
  integerParser,
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
  readonly from?: EntityId;
  readonly missingOnly?: boolean;
}

const uuid = (given: string): EntityId => {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(given)) throw new InvalidArgumentError("must be a UUID");
  return given.toLowerCase();
};

export const backfillVerb = (): Command =>
  verb(
    "backfill",
    "sends rows that no event told of: there before capture was installed, or loaded with triggers off; goes on where it was interrupted",
  )
    .option(
      "--entity <name>",
      "only this entity",
      choiceParser(
        "entity",
        entities.map(({ name }) => name),
      ),
    )
    .option(
      "--rate <rows>",
      "most rows per second; less while the outbox is not empty",
      integerParser(1, 100_000),
      2_000,
    )
    .option("--from <id>", "begin anew, after this id", uuid)
    .option(
      "--missing-only",
      "compare with the replicas, and send only what one of them has not heard of: for a few rows among many",
    )
    .action(async (flags: Flags) => runVerb(flags, (context) => run(context, flags)));

async function run(context: VerbContext, flags: Flags): Promise<VerbResult> {
  const results: Sent[] = [];
  for (const entity of entities.filter(({ name }) => !flags.entity || name === flags.entity)) {
    if (context.signal.aborted) break;
    const backlog = new ConsumerBackpressure(await context.connections.log(), entity);
    results.push(await (flags.missingOnly ? missing : all)(context, entity, { ...flags, backlog }));
  }
  const finished = !context.signal.aborted && results.every((one) => one.finished);
  const document = { finished, backfills: results };
  return { text: results.map(lineOf).join("\n"), document, status: finished ? 0 : 1 };
}

interface Sent {
  readonly entity: string;
  readonly sent: number;
  /** Of these by earlier runs. */
  readonly earlier?: number;
  readonly finished: boolean;
}

const lineOf = ({ entity, sent, earlier = 0, finished }: Sent): string =>
  `${entity}: ${sent} rows sent${earlier > 0 ? `, ${earlier} of them earlier` : ""}${finished ? "" : " so far; run it again to go on"}`;

type Options = Pick<Flags, "rate" | "from"> & { readonly backlog: ConsumerBackpressure };

function all(
  { connections, progress, signal }: VerbContext,
  entity: EntityDeclaration,
  { rate, from, backlog }: Options,
): Promise<Sent> {
  const onProgress = ({ sent }: Sent) => progress(`${entity.plural}: ${sent} rows sent …`);
  return backfill(connections.source(), entity, { rate, from, backlog, signal, onProgress });
}

async function missing(
  { connections, progress, signal }: VerbContext,
  entity: EntityDeclaration,
  { rate, from, backlog }: Options,
): Promise<Sent> {
  const deps = { source: connections.source(), replica: (name: string) => connections.replica(name) };
  const onProgress = ({ rows, sent }: { rows: number; sent: number }) =>
    progress(`${entity.plural}: ${rows} rows compared, ${sent} sent …`);
  const options = { rate, from, backlog, signal, onProgress };
  return { entity: entity.name, ...(await backfillMissing(deps, entity, entity.replicas, options)) };
}
