/** Adds authorization to the description of each route that needs a token. Pure. */
import type { Paths } from "../../platform/openapi/document.ts";
import { type Header, type Operation, problems, text } from "../../platform/openapi/operation.ts";
import { scopeOf } from "../scope.ts";

/** OpenAPI security scheme of the operations that need a token. */
export const bearer = {
  type: "http",
  scheme: "bearer",
  bearerFormat: "JWT",
  description: "Required when LOCKSTEP_AUTH=jwt. The roles of an operation are scopes of the token.",
};

const challenge: Header = { description: "the required token (RFC 6750)", required: true, schema: text(/^Bearer /) };

/**
 * Adds the security scheme and the responses of a rejected token to each operation.
 *
 * @param examplePaths by path: a path of a request, for examples.
 */
export function guarded(paths: Paths, examplePaths: Readonly<Record<string, string>>): Paths {
  const rejections = (path: string) =>
    problems(["UNAUTHENTICATED", "FORBIDDEN", "UNAVAILABLE"], examplePaths[path] ?? path, {
      UNAUTHENTICATED: { "WWW-Authenticate": challenge },
      FORBIDDEN: { "WWW-Authenticate": challenge },
    });
  const addSecurity = (path: string, method: string, operation: Operation): Operation => ({
    ...operation,
    security: [{ bearer: [scopeOf(method.toUpperCase())] }],
    responses: { ...rejections(path), ...operation.responses },
  });
  return Object.fromEntries(
    Object.entries(paths).map(([path, methods]) => [
      path,
      Object.fromEntries(
        Object.entries(methods).map(([method, operation]) => [method, addSecurity(path, method, operation)]),
      ),
    ]),
  );
}
