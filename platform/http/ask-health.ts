/** `lockstep health`: the health check of a container image that holds only the executable, and so has no curl. */
import { readSettings } from "../settings/settings.ts";

const TIMEOUT_MS = 2_500;
/** Where to reach a service that listens on all addresses. */
const LOCAL_ADDRESS: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "[::1]" };

/**
 * Requests the health of the service that runs here with these settings. Prints the response unless it is 200.
 *
 * @param about `ready`: the service can do its work; `live`: its process responds.
 * @returns the exit status: 0 when healthy, else 1, also after 2.5 s without a response.
 * @throws {SettingsError} when the settings are wrong.
 */
export async function askHealth(
  env: Readonly<Record<string, string | undefined>>,
  about: "ready" | "live",
): Promise<0 | 1> {
  const { PORT, LOCKSTEP_HOST } = readSettings(env);
  const url = `http://${LOCAL_ADDRESS[LOCKSTEP_HOST] ?? LOCKSTEP_HOST}:${PORT}/health/${about}`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) return 0;
    console.error(await response.text());
  } catch (error) {
    console.error(`${url} does not respond: ${error instanceof Error ? error.message : String(error)}`);
  }
  return 1;
}
