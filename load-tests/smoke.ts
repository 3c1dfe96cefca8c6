/**
 * k6: does a write show up in each replica, and a delete take it away again? Small enough for any stack, at any time: it
 * removes what it made. Settings: GATEWAY, REPLICAS (name=url, separated by commas), ITERATIONS.
 */
import { check, sleep } from "k6";
import http from "k6/http";
import { Trend } from "k6/metrics";

const gateway = __ENV.GATEWAY ?? "http://127.0.0.1:8080";
const replicas = (__ENV.REPLICAS ?? "catalog=http://127.0.0.1:8081,storefront=http://127.0.0.1:8082")
  .split(",")
  .map((pair) => ({ name: pair.split("=")[0] ?? "", url: pair.split("=")[1] ?? "" }));

/** From the gateway's answer until the replica shows it: at the client, so with the time of one or two reads. */
const shown = new Trend("shown_after", true);
const gone = new Trend("gone_after", true);

const iterations = Number(__ENV.ITERATIONS ?? 20);

export const options = {
  scenarios: { smoke: { executor: "shared-iterations", vus: Math.min(2, iterations), iterations } },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    ...Object.fromEntries(
      replicas.flatMap(({ name }) => [
        [`shown_after{replica:${name}}`, ["p(95)<1000"]],
        [`gone_after{replica:${name}}`, ["p(95)<1000"]],
      ]),
    ),
  },
};

const WITHIN_MS = 10_000;
const POLL_SECONDS = 0.005;
/** Both are answers while a replica is on its way. */
const thereOrNot = http.expectedStatuses(200, 404);

/** Asks all replicas until each answers with this status. @returns those that did not in time. */
function untilAll(id: string, status: 200 | 404, after: Trend): string[] {
  const begun = Date.now();
  let waiting = replicas;
  while (waiting.length > 0 && Date.now() - begun < WITHIN_MS) {
    waiting = waiting.filter(({ name, url }) => {
      const answer = http.get(`${url}/products/${id}`, {
        responseCallback: thereOrNot,
        tags: { name: `GET ${name}/products/{id}` },
      });
      if (answer.status !== status) return true;
      after.add(Date.now() - begun, { replica: name });
      return false;
    });
    if (waiting.length > 0) sleep(POLL_SECONDS);
  }
  return waiting.map(({ name }) => name);
}

export default function smoke(): void {
  const product = {
    sku: `smoke-${Date.now()}-${__VU}-${__ITER}`,
    name: "Espresso cup",
    price: "19.90",
    status: "active",
  };
  const created = http.post(`${gateway}/products`, JSON.stringify(product), {
    headers: { "content-type": "application/json" },
    tags: { name: "POST gateway/products" },
  });
  if (!check(created, { "the gateway created it": (answer) => answer.status === 201 })) return;
  const id = String(created.json("id"));
  check(untilAll(id, 200, shown), { "every replica shows it": (missing) => missing.length === 0 });
  const deleted = http.del(`${gateway}/products/${id}`, null, { tags: { name: "DELETE gateway/products/{id}" } });
  check(deleted, { "the gateway deleted it": (answer) => answer.status === 200 || answer.status === 204 });
  check(untilAll(id, 404, gone), { "it is gone from every replica": (missing) => missing.length === 0 });
}
