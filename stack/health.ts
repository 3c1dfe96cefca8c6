/** Checks whether a process or server can do its work, as a client would. */
import { brokerMembers, SecuredBrokerError } from "./servers/broker-members.ts";
import { probePostgres, probeRedis } from "./servers/probes.ts";

/** Result of a health check. */
export interface Health {
  /** `not ready`: it responds and reports a problem. `down`: it does not respond. */
  readonly health: "ready" | "not ready" | "down";
  /** Why it is not ready. */
  readonly reason?: string;
}

const TIMEOUT_MS = 2_000;

/**
 * Checks the health within about two seconds. Never rejects.
 *
 * @param kind of a service, server or observer (plan.ts).
 * @param isExternal true for a server that this stack did not start. An external broker may require credentials.
 */
export async function healthOf(kind: string, url: string, isExternal = false): Promise<Health> {
  try {
    switch (kind) {
      case "postgres":
        await probePostgres(url, TIMEOUT_MS);
        return { health: "ready" };
      case "redis":
        await probeRedis(url, TIMEOUT_MS);
        return { health: "ready" };
      case "broker":
        await brokerHealth(url, isExternal);
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

/** Reads the body too: it names each check that fails. */
async function pageHealth(page: string): Promise<Health> {
  const response = await fetch(page, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const body = await response.text();
  return response.ok
    ? { health: "ready" }
    : { health: "not ready", reason: body.slice(0, 500) || `status ${response.status}` };
}

async function brokerHealth(url: string, isExternal: boolean): Promise<void> {
  const [host = "", port = ""] = url.split(/:(?=\d+$)/);
  await brokerMembers(host, Number(port), TIMEOUT_MS).catch((error) => {
    // The broker requires TLS or SASL, so it runs. The services report whether their credentials are accepted.
    if (!isExternal || !(error instanceof SecuredBrokerError)) throw error;
  });
}
