/** Asks a process or server whether it can do its work, as a client would. */
import { brokerMembers, GuardedBrokerError } from "./servers/broker-members.ts";
import { probePostgres, probeRedis } from "./servers/probes.ts";

/** `ready`; `not ready`: it answers, and says no; `down`: it does not answer. */
export interface Health {
  readonly health: "ready" | "not ready" | "down";
  /** In words, for what is not ready. */
  readonly reason?: string;
}

const TIMEOUT_MS = 2_000;

/** Never rejects; answers within about two seconds. @param foreign whether it is none that we started: it may ask for a password that is not ours to know. */
export async function healthOf(kind: string, url: string, foreign = false): Promise<Health> {
  try {
    switch (kind) {
      case "postgres":
        await probePostgres(url, TIMEOUT_MS);
        return { health: "ready" };
      case "redis":
        await probeRedis(url, TIMEOUT_MS);
        return { health: "ready" };
      case "broker":
        await brokerHealth(url, foreign);
        return { health: "ready" };
      case "prometheus":
        return await pageHealth(`${url}/-/ready`);
      case "jaeger":
        return await pageHealth(`${url}/api/services`);
      case "grafana":
        return await pageHealth(`${url}/api/health`);
      default:
        return await pageHealth(`${url}/health/ready`);
    }
  } catch (error) {
    return { health: "down", reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Waits for the body too, which names each check that does not hold. */
async function pageHealth(page: string): Promise<Health> {
  const response = await fetch(page, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const body = await response.text();
  return response.ok
    ? { health: "ready" }
    : { health: "not ready", reason: body.slice(0, 500) || `status ${response.status}` };
}

async function brokerHealth(url: string, foreign: boolean): Promise<void> {
  const [host = "", port = ""] = url.split(/:(?=\d+$)/);
  await brokerMembers(host, Number(port), TIMEOUT_MS).catch((error) => {
    // With TLS or SASL: it is there, and the services tell whether it lets them in.
    if (!foreign || !(error instanceof GuardedBrokerError)) throw error;
  });
}
