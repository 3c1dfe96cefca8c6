/** A service's own question for its health: an image that holds the executable and nothing else has no curl. */
import { readSettings } from "../settings/settings.ts";

const WITHIN_MS = 2_500;
/** What a service listens on when it listens on every address. */
const EVERYWHERE: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "[::1]" };

/**
 * Asks the service that runs here with these settings, at its port, and prints what it answers when that is not 200.
 *
 * @param about `ready`: it can do its work; `live`: it runs.
 * @returns the exit status: 0 when all is well, else 1.
 * @throws {SettingsError} when the settings are wrong.
 */
export async function askHealth(
  env: Readonly<Record<string, string | undefined>>,
  about: "ready" | "live",
): Promise<0 | 1> {
  const { PORT, LOCKSTEP_HOST } = readSettings(env);
  const url = `http://${EVERYWHERE[LOCKSTEP_HOST] ?? LOCKSTEP_HOST}:${PORT}/health/${about}`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(WITHIN_MS) });
    if (answer.ok) return 0;
    console.error(await answer.text());
  } catch (error) {
    console.error(`${url} does not answer: ${error instanceof Error ? error.message : String(error)}`);
  }
  return 1;
}
