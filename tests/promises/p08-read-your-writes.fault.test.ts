/** P8: who brings a write's token to a replica sees that write, or is told that the replica is behind. */
import { expect, test } from "bun:test";
import { request } from "../harness/client.ts";
import { newProduct } from "../harness/load.ts";
import { findSessionViolations, type SessionEvent } from "../harness/session-guarantees.ts";
import { sharedStack } from "../harness/shared-stack.ts";

/** Write-then-read pairs at each replica, at least; 33,400 for the history of 100,000 of the documentation. */
const PAIRS = Number(process.env.TEST_PAIRS ?? 2_000);
/** One of each at least, however soon the pairs are done. */
const KILLS = 3;
const CLIENTS = 50;
const ANSWERED_WITHIN_MS = 60_000;
const REPLICAS = ["catalog", "storefront"] as const;
const victims = ["stream", "catalog", "storefront"];

class Client {
  readonly history: SessionEvent[] = [];
  /** Reads that were told to come again, or found nobody. */
  refused = 0;
  private token = "";
  private readonly mine: { id: string; deleted: boolean }[] = [];

  constructor(
    private readonly session: number,
    private readonly urls: Readonly<Record<"gateway" | (typeof REPLICAS)[number], string>>,
  ) {}

  async pair(): Promise<void> {
    const id = await this.write();
    for (const replica of REPLICAS) await this.read(replica, id);
  }

  private async write(): Promise<string> {
    const alive = this.mine.filter(({ deleted }) => !deleted);
    const one = alive.length > 3 ? alive[Math.floor(Math.random() * alive.length)] : undefined;
    const deletes = one !== undefined && Math.random() < 0.2;
    const status = Math.random() < 0.7 ? "active" : "draft";
    const url = `${this.urls.gateway}/products`;
    const answer = one
      ? await request(deletes ? "DELETE" : "PATCH", `${url}/${one.id}`, deletes ? undefined : { status })
      : await request("POST", url, newProduct({ status }));
    if (answer.status >= 300) throw new Error(`a write was answered ${answer.status}`);
    const id = one?.id ?? (answer.body.id as string);
    if (one) one.deleted = deletes;
    else this.mine.push({ id, deleted: false });
    this.token = answer.headers.get("sync-token")!;
    const version = Number(answer.headers.get("etag")!.replaceAll('"', ""));
    const replicas = deletes ? [] : status === "active" ? REPLICAS : ["catalog"];
    this.history.push({ session: this.session, id, version, replicas });
    return id;
  }

  /** Asks until there is an answer: a refusal is none, and says why. */
  private async read(replica: (typeof REPLICAS)[number], id: string): Promise<void> {
    const headers = { "sync-token": this.token, prefer: "wait=3" };
    for (const end = Date.now() + ANSWERED_WITHIN_MS; ; await Bun.sleep(50)) {
      const url = `${this.urls[replica]}/products/${id}`;
      const answer = await request("GET", url, undefined, headers).catch(() => undefined);
      if (answer?.status === 200 || answer?.status === 404) {
        const version = answer.status === 200 ? (answer.body.version as number) : undefined;
        this.history.push({ session: this.session, replica, id, version });
        return;
      }
      if (answer) expect(["503 BEHIND", "503 UNAVAILABLE"]).toContain(`${answer.status} ${answer.body.code}`);
      expect(Date.now()).toBeLessThan(end);
      this.refused++;
    }
  }
}

test("P8: no read with a token is stale while stream and replicas are killed at random", async () => {
  const stack = await sharedStack();
  const [gateway, catalog, storefront] = await Promise.all(["gateway", ...REPLICAS].map((name) => stack.url(name)));
  const urls = { gateway: gateway!, catalog: catalog!, storefront: storefront! };
  const clients = Array.from({ length: CLIENTS }, (_, session) => new Client(session, urls));
  let pairs = 0;
  let kills = 0;
  const working = Promise.all(
    clients.map(async (client) => {
      for (; pairs < PAIRS || kills < KILLS; pairs++) await client.pair();
    }),
  );
  const over = working.then(() => true);
  while (!(await Promise.race([over, Bun.sleep(1_000 + Math.random() * 4_000).then(() => false)]))) {
    const victim = victims[kills % victims.length]!;
    const pid = await stack.kill(victim, "SIGKILL");
    // Killed before it is well, it would only be held back longer and longer by its supervisor.
    await stack.untilReplaced(victim, pid);
    kills++;
  }
  await working;
  const history = clients.flatMap((client) => client.history);
  const refused = clients.reduce((sum, client) => sum + client.refused, 0);
  const reads = history.filter((happened) => "replica" in happened).length;
  console.log(
    `${pairs} pairs by ${CLIENTS} clients, ${kills} kills: ${reads} reads answered, ${refused} told to come again; ${history.length} reads and writes judged`,
  );
  expect(findSessionViolations(history)).toEqual([]);
  expect(reads).toBe(pairs * REPLICAS.length);
}, 900_000);
