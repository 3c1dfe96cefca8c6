/**
 * One write that goes the whole way, before a stack is called ready: created in the gateway, seen in every replica's
 * PostgreSQL and cache, deleted, gone everywhere.
 */
import { randomUUID } from "node:crypto";
import { entities } from "../contracts/entities/index.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { exampleIn, exampleInput } from "../contracts/entity/example.ts";
import { inputSchema } from "../contracts/entity/schemas.ts";
import { UserError } from "../contracts/errors.ts";

const fits = (entity: EntityDeclaration): boolean =>
  inputSchema(entity).safeParse(exampleInput(entity, randomUUID())).success &&
  entity.replicas.every((replica) => exampleIn(entity, replica));

/** The first entity whose example can be sent again and again, and is taken by every replica: canary and curl lines are made of it. */
export const canaryEntity = (): EntityDeclaration | undefined => entities.find(fits);

export interface CanarySites {
  readonly gateway: string;
  readonly replicas: readonly { readonly label: string; readonly url: string }[];
}

export interface CanaryBounds {
  /** For the gateway; undefined where it asks for none. */
  readonly token: string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Sends one write through all of it.
 *
 * @throws {UserError} names the step that did not happen within the time, and what was answered last.
 */
export async function smokeTest({ gateway, replicas }: CanarySites, bounds: CanaryBounds): Promise<void> {
  const declared = canaryEntity();
  if (!declared) return;
  const ask = asker(bounds);
  const credentials: Record<string, string> = bounds.token ? { authorization: `Bearer ${bounds.token}` } : {};
  const created = await ask({
    what: "the gateway to take a canary write",
    url: `${gateway}/${declared.plural}`,
    // A name of its own for each try: one whose answer was lost has taken its name.
    init: () => ({ method: "POST", ...json(exampleInput(declared, randomUUID()), credentials) }),
    until: (r) => r.status === 201,
  });
  const { id } = (await created.json()) as { id: string };
  const path = `${declared.plural}/${id}`;
  await Promise.all(
    replicas.map(async ({ label, url }) => {
      await ask({ what: `${label} to show the canary`, url: `${url}/${path}`, until: (r) => r.status === 200 });
      const cached = (r: Response) => r.status === 200 && /\bhit\b/.test(r.headers.get("cache-status") ?? "");
      await ask({ what: `${label} to answer from its cache`, url: `${url}/${path}`, until: cached });
    }),
  );
  await ask({
    what: "the gateway to delete the canary",
    url: `${gateway}/${path}`,
    init: () => ({ method: "DELETE", headers: credentials }),
    // 404: an earlier try did it, and its answer was lost.
    until: (r) => r.status === 204 || r.status === 200 || r.status === 404,
  });
  await Promise.all(
    replicas.map(({ label, url }) =>
      ask({ what: `${label} to forget the canary`, url: `${url}/${path}`, until: (r) => r.status === 404 }),
    ),
  );
}

const json = (body: unknown, headers: Record<string, string>): RequestInit => ({
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

interface Question {
  readonly what: string;
  readonly url: string;
  readonly init?: () => RequestInit;
  readonly until: (response: Response) => boolean;
}

/** Asks until the answer is the wanted one; all questions of a canary share one deadline. */
function asker({ timeoutMs, signal }: CanaryBounds): (question: Question) => Promise<Response> {
  const deadline = Date.now() + timeoutMs;
  return async ({ what, url, init, until }) => {
    for (;;) {
      let seen: string;
      try {
        const response = await fetch(url, {
          ...init?.(),
          signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]),
        });
        if (until(response)) return response;
        seen = `${response.status} ${(await response.text()).slice(0, 300)}`;
      } catch (error) {
        seen = String(error);
      }
      signal.throwIfAborted();
      if (Date.now() > deadline) throw new UserError(`waited ${timeoutMs / 1000} s for ${what}; last answer: ${seen}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
}
