/** What the guard adds to the description of each route behind it. Pure. */
import { EXAMPLE_ID } from "../../contracts/entity/example.ts";
import type { Paths } from "../../platform/openapi/document.ts";
import { type Header, type Operation, problems, text } from "../../platform/openapi/operation.ts";
import { scopeOf } from "../scope.ts";

/** The security scheme of OpenAPI that the guarded operations name. */
export const bearer = {
  type: "http",
  scheme: "bearer",
  bearerFormat: "JWT",
  description: "Asked for where LOCKSTEP_AUTH=jwt. The roles named beside it are scopes of the token.",
};

const challenge: Header = { description: "what token is needed (RFC 6750)", required: true, schema: text(/^Bearer /) };

/** What stands behind the guard: all but health and metrics. */
export function guarded(paths: Paths): Paths {
  const refusals = (path: string) =>
    problems(["UNAUTHENTICATED", "FORBIDDEN", "UNAVAILABLE"], path.replace("{id}", EXAMPLE_ID), {
      UNAUTHENTICATED: { "WWW-Authenticate": challenge },
      FORBIDDEN: { "WWW-Authenticate": challenge },
    });
  const guard = (path: string, method: string, operation: Operation): Operation => ({
    ...operation,
    security: [{ bearer: [scopeOf(method.toUpperCase())] }],
    responses: { ...refusals(path), ...operation.responses },
  });
  return Object.fromEntries(
    Object.entries(paths).map(([path, methods]) => [
      path,
      Object.fromEntries(Object.entries(methods).map(([method, of]) => [method, guard(path, method, of)])),
    ]),
  );
}
