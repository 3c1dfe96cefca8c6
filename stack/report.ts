/** What a person sees when a stack is ready. */

import { relative } from "node:path";
import { exampleInput } from "../contracts/entity/example.ts";
import { DEFAULT_DATA } from "./options.ts";
import { isObserver } from "./plan.ts";
import type { GroupMember } from "./process-group.ts";
import { canaryEntity } from "./smoke-test.ts";
import { serviceUrl } from "./start-part.ts";

export interface Report {
  readonly members: readonly GroupMember[];
  readonly data: string;
  readonly seconds: number;
  readonly detached: boolean;
  /** Whose tokens gateway and console ask for: our own key's, or an issuer's. */
  readonly issuer: "development" | "real" | undefined;
}

export function readyReport({ members, data, seconds, detached, issuer }: Report): string {
  const services = members.filter(({ planned }) => "verb" in planned);
  const observers = members.filter(({ planned }) => isObserver(planned));
  const width = Math.max(...[...services, ...observers].map(({ part }) => part.label.length));
  const near = relative(process.cwd(), data);
  const folder = near === "" || near.startsWith("..") ? data : near;
  const flag = folder === DEFAULT_DATA ? "" : ` --data ${folder}`;
  // As a shell takes it: made when the line is run, it is never too old, and it stands in no log.
  const tokens = { development: `$(bun run --silent lockstep token${flag})`, real: "$LOCKSTEP_TOKEN" };
  const token = issuer && tokens[issuer];
  return [
    "",
    `Lockstep is ready after ${seconds.toFixed(1)} s: a write went through to every replica and its cache.`,
    "",
    ...[...services, ...observers].map(({ part, kept }) => `  ${part.label.padEnd(width)}  ${kept.url()}`),
    "",
    ...tryLines(members, token),
    ...(token
      ? [`The console asks for a name, which may be any, and a password: the token. To see one: echo "${token}"`]
      : []),
    `What runs: bun run status${flag}    Logs: ${folder}/logs`,
    detached
      ? `Stop it with: bun run down${flag} (the data in ${folder} is kept)`
      : `Ctrl-C stops everything; the data in ${folder} is kept.`,
  ].join("\n");
}

/** All instances answer on it, where there are several. */
const clientUrl = (planned: GroupMember["planned"], kept: GroupMember["kept"]): string =>
  "sharedPort" in planned && planned.sharedPort ? serviceUrl({ port: planned.sharedPort }) : kept.url();

/** Three lines that show a change arriving; made so that they can be pasted one after the other, more than once. */
function tryLines(members: readonly GroupMember[], token: string | undefined): string[] {
  const entity = canaryEntity();
  const urlsOf = (kind: string) => [
    ...new Set(
      members.filter(({ planned }) => planned.kind === kind).map(({ planned, kept }) => clientUrl(planned, kept)),
    ),
  ];
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
