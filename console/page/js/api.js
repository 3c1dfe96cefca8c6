/** Requests to the console's HTTP API. */

/** An error of the console or the gateway (RFC 9457). Without problem details, `code` is `other`. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {{ code?: string, title?: string, detail?: string, errors?: { pointer: string, detail: string }[] }} problem
   */
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `status ${status}`);
    this.status = status;
    this.code = problem.code ?? "other";
    this.errors = problem.errors ?? [];
  }
}

/** @param {string} path @returns {Promise<any>} the JSON body @throws {ApiError} */
export const get = (path) => jsonOf(fetch(path, { headers: { accept: "application/json" } }));

/** @param {string} path @param {unknown} body @returns {Promise<any>} the JSON body @throws {ApiError} */
export const post = (path, body) =>
  jsonOf(fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }));

/** @param {Promise<Response>} request */
async function jsonOf(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new ApiError(0, { code: "UNAVAILABLE" });
  }
  const text = await response.text();
  let body;
  try {
    body = text ? JSON.parse(text) : {};
  } catch {
    body = {};
  }
  if (!response.ok) throw new ApiError(response.status, body);
  // The console succeeded, and passes on the gateway's error.
  if (body.problem) throw new ApiError(body.status, body.problem);
  return body;
}
