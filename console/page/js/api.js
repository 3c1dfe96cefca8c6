/** Questions and wishes to the console. */

/** What the console refused, in the words of its problem details (RFC 9457). */
export class Refused extends Error {
  /** @param {number} status @param {{ code?: string, title?: string, detail?: string, errors?: { pointer: string, detail: string }[] }} problem */
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `status ${status}`);
    this.status = status;
    this.code = problem.code ?? "other";
    this.errors = problem.errors ?? [];
  }
}

/** @param {string} path */
export const ask = (path) => answerOf(fetch(path, { headers: { accept: "application/json" } }));

/** @param {string} path @param {unknown} body */
export const tell = (path, body) =>
  answerOf(
    fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  );

/** @param {Promise<Response>} asked @throws {Refused} */
async function answerOf(asked) {
  let response;
  try {
    response = await asked;
  } catch {
    throw new Refused(0, { code: "UNAVAILABLE" });
  }
  const text = await response.text();
  let body;
  try {
    body = text ? JSON.parse(text) : {};
  } catch {
    body = {};
  }
  if (!response.ok) throw new Refused(response.status, body);
  // What the gateway refused, told by a console that did its part.
  if (body.problem) throw new Refused(body.status, body.problem);
  return body;
}
