/** Checks whether a process or server can do its work, as a client would. */
import { type Readiness, type ReportedCondition, readReadiness } from "../platform/http/read-readiness.ts";
import { brokerMembers, SecuredBrokerError } from "./servers/broker-members.ts";
import { probePostgres, probeRedis } from "./servers/probes.ts";

/** Result of a health check. */
export interface Health extends Pick<Readiness, "health" | "reason"> {
  /** Conditions that a service reports; absent while there are none. */
  readonly conditions?: readonly ReportedCondition[];
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
        return await serviceHealth(url);
    }
  } catch (error) {
    return { health: "down", reason: error instanceof Error ? error.message : String(error) };
  }
}

async function serviceHealth(url: string): Promise<Health> {
  const { health, reason, conditions } = await readReadiness(url);
  return { health, ...(reason ? { reason } : {}), ...(conditions.length > 0 ? { conditions } : {}) };
}

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
