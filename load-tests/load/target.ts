/** Where a load test sends its requests: URLs, the stack on a data folder, or a temporary stack. */
import { resolve } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import { DEFAULT_DATA } from "../../platform/stack-file.ts";
import { runningSupervisor } from "../../stack/state.ts";
import { attach, type RunningStack, type StackStatus, startTemporaryStack, tokenFor } from "../bench/running-stack.ts";

/** Flags that choose the target. */
export interface TargetFlags {
  readonly gateway?: string;
  readonly replicas?: string;
  readonly data?: string;
  readonly own?: boolean;
  /** For a temporary stack, as the next two. */
  readonly instances?: string;
  readonly brokers?: string;
  readonly partitions?: string;
}

/** A target. */
export interface Target {
  /** For messages. */
  readonly label: string;
  /** URLs of all instances, separated by commas. */
  readonly gateway: string;
  /** `name=url` of all instances, separated by commas. */
  readonly replicas: string;
  /** Bearer token for the gateway; undefined when it needs none. */
  readonly token: string | undefined;
  /** URL of the stack's Prometheus; undefined when it has none. */
  readonly prometheus: string | undefined;
  /** Undefined for a target that is given by URLs. */
  readonly status: StackStatus | undefined;
  /** Stops a temporary stack. Does nothing to another target. */
  stop(): Promise<void>;
}

/**
 * Chooses the target, in this order: `--gateway` with `--replicas`; `--data`; the stack on the default folder unless
 * `--own` is set; a temporary stack.
 *
 * @throws {UserError} when flags exclude each other.
 * @throws {Error} when the stack is not ready or does not start.
 */
export async function findTarget(flags: TargetFlags): Promise<Target> {
  const { gateway, replicas, data, own } = flags;
  if ([gateway !== undefined, data !== undefined, own === true].filter(Boolean).length > 1)
    throw new UserError("--gateway, --data and --own exclude each other");
  if (gateway !== undefined) {
    if (!replicas)
      throw new UserError("--gateway requires --replicas, for example catalog=http://…,storefront=http://…");
    const token = await tokenFor(undefined);
    return { label: gateway, gateway, replicas, token, prometheus: undefined, status: undefined, stop: async () => {} };
  }
  const running = data ?? (!own && runningSupervisor(resolve(DEFAULT_DATA)) ? DEFAULT_DATA : undefined);
  if (running !== undefined) return stackTarget(`the stack on ${running}`, await attach(running));
  const sizes = { instances: flags.instances, brokers: flags.brokers, partitions: flags.partitions };
  const upFlags = Object.entries(sizes).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  return stackTarget("a temporary stack", await startTemporaryStack(upFlags));
}

async function stackTarget(label: string, { data, status, stop }: RunningStack): Promise<Target> {
  const ofKind = (kind: string) => status.services.filter((service) => service.kind === kind);
  return {
    label,
    gateway: ofKind("gateway")
      .map(({ url }) => url)
      .join(","),
    replicas: ofKind("replica")
      .map(({ name, url }) => `${name}=${url}`)
      .join(","),
    token: await tokenFor(data),
    prometheus: ofKind("prometheus")[0]?.url,
    status,
    stop,
  };
}
