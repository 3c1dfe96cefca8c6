/** What a load test is run against: URLs, the stack on a data folder, or a stack of its own. */
import { resolve } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import { DEFAULT_DATA } from "../../platform/stack-file.ts";
import { runningSupervisor } from "../../stack/state.ts";
import { attach, type RunningStack, type StackStatus, startOwn, tokenFor } from "../bench/running-stack.ts";

export interface TargetFlags {
  readonly gateway?: string;
  readonly replicas?: string;
  readonly data?: string;
  readonly own?: boolean;
  /** Of a stack of its own. */
  readonly instances?: string;
  readonly brokers?: string;
  readonly partitions?: string;
}

export interface Target {
  /** For people. */
  readonly what: string;
  /** As the scripts take them: URLs separated by commas, and `name=url` pairs. */
  readonly gateway: string;
  readonly replicas: string;
  /** For a gateway that asks for one. */
  readonly token: string | undefined;
  /** Where metrics are written to, when the stack has a Prometheus. */
  readonly prometheus: string | undefined;
  /** Undefined for what is known by URL only. */
  readonly status: StackStatus | undefined;
  /** Ends a stack of its own. */
  end(): Promise<void>;
}

/**
 * In this order: `--gateway` and `--replicas`; `--data`; the stack that runs on the default folder, unless `--own`; a stack of its own.
 *
 * @throws {UserError} when flags do not fit together, or the stack is not ready or does not start.
 */
export async function findTarget(flags: TargetFlags): Promise<Target> {
  const { gateway, replicas, data, own } = flags;
  if ([gateway !== undefined, data !== undefined, own === true].filter(Boolean).length > 1)
    throw new UserError("--gateway, --data and --own exclude each other");
  if (gateway !== undefined) {
    if (!replicas) throw new UserError("--gateway needs --replicas, as catalog=http://…,storefront=http://…");
    const token = await tokenFor(undefined);
    return { what: gateway, gateway, replicas, token, prometheus: undefined, status: undefined, end: async () => {} };
  }
  const running = data ?? (!own && runningSupervisor(resolve(DEFAULT_DATA)) ? DEFAULT_DATA : undefined);
  if (running !== undefined) return stackTarget(`the stack on ${running}`, await attach(running));
  const sizes = { instances: flags.instances, brokers: flags.brokers, partitions: flags.partitions };
  const wanted = Object.entries(sizes).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  return stackTarget("a stack of its own", await startOwn(wanted));
}

async function stackTarget(what: string, { data, status, end }: RunningStack): Promise<Target> {
  const of = (kind: string) => status.services.filter((service) => service.kind === kind);
  return {
    what,
    gateway: of("gateway")
      .map(({ url }) => url)
      .join(","),
    replicas: of("replica")
      .map(({ name, url }) => `${name}=${url}`)
      .join(","),
    token: await tokenFor(data),
    prometheus: of("prometheus")[0]?.url,
    status,
    end,
  };
}
