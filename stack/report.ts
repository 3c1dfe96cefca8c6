/** What `bun run up` prints when the stack is ready. */
import { relative } from "node:path";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { exampleInput } from "../contracts/entity/example.ts";
import { DEFAULT_DATA } from "./options.ts";
import { isObserver } from "./plan.ts";
import type { GroupMember } from "./process-group.ts";
import { serviceUrl } from "./process-specs.ts";
import { commandText, tokenCommand } from "./program.ts";
import type { SmokeTestResult } from "./smoke-test.ts";

/** Content of the report. */
export interface Report {
  readonly members: readonly GroupMember[];
  readonly data: string;
  /** From the command to readiness. */
  readonly seconds: number;
  /** The entity of the test write and of the lines to try; undefined when none is suitable. */
  readonly entity: EntityDeclaration | undefined;
  /** Undefined: no test write was sent. */
  readonly tested: SmokeTestResult | undefined;
  readonly detached: boolean;
  /** Who issues the tokens: the key of `--auth`, or an external issuer. Undefined: no tokens are needed. */
  readonly issuer: "development" | "external" | undefined;
}

/** The report as text. */
export function readyReport({ members, data, seconds, entity, tested, detached, issuer }: Report): string {
  const services = members.filter(({ planned }) => "command" in planned);
  const observers = members.filter(({ planned }) => isObserver(planned));
  const width = Math.max(...[...services, ...observers].map(({ spec }) => spec.label.length));
  const relativeData = relative(process.cwd(), data);
  const folder = relativeData === "" || relativeData.startsWith("..") ? data : relativeData;
  const flag = folder === DEFAULT_DATA ? "" : ` --data ${folder}`;
  // A shell expression: the token is created when the line runs, so it has not expired and is in no log.
  const tokens = { development: `$(${tokenCommand}${flag})`, external: "$LOCKSTEP_TOKEN" };
  const token = issuer && tokens[issuer];
  return [
    "",
    `Lockstep is ready after ${seconds.toFixed(1)} s: ${testText(tested)}.`,
    "",
    ...[...services, ...observers].map(({ spec, supervised }) => `  ${spec.label.padEnd(width)}  ${supervised.url}`),
    "",
    ...tryLines(members, entity, token),
    ...(token
      ? [`The console asks for a user name (any) and a password (the token). To print a token: echo "${token}"`]
      : []),
    `Status: ${commandText("status")}${flag}    Logs: ${folder}/logs`,
    detached
      ? `Stop it with: ${commandText("down")}${flag} (the data in ${folder} is kept)`
      : `Ctrl-C stops everything; the data in ${folder} is kept.`,
  ].join("\n");
}

function testText(tested: SmokeTestResult | undefined): string {
  if (!tested)
    return "no test write was sent, because no declared entity has an example that each of its replicas takes";
  const { reached, untested } = tested;
  if (untested.length === 0) return "a test write reached every replica and its cache";
  return `a test write reached ${reached.join(", ")} and the caches; it does not concern ${untested.join(", ")}`;
}

/** The shared address when there are several instances. */
const clientUrl = ({ planned, supervised }: GroupMember): string =>
  "sharedPort" in planned && planned.sharedPort ? serviceUrl({ port: planned.sharedPort }) : supervised.url;

/** Commands that write an entity and read it from replicas. They can be pasted any number of times. */
function tryLines(
  members: readonly GroupMember[],
  entity: EntityDeclaration | undefined,
  token: string | undefined,
): string[] {
  const urlsOf = (kind: string) => [...new Set(members.filter(({ planned }) => planned.kind === kind).map(clientUrl))];
  const [gateway] = urlsOf("gateway");
  const replicas = urlsOf("replica");
  if (!entity || !gateway || replicas.length === 0) return [];
  const credentials = token ? ` -H "authorization: Bearer ${token}"` : "";
  const body = JSON.stringify(exampleInput(entity, "'$RANDOM'"));
  return [
    "Try it:",
    `  curl -i ${gateway}/${entity.plural} -H 'content-type: application/json'${credentials} -d '${body}'`,
    ...replicas.slice(0, 2).map((url) => `  curl -i ${url}/${entity.plural}`),
    "",
  ];
}
