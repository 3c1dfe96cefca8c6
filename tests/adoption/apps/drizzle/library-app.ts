/**
 * A lending library on Drizzle: migrations, then the writes of a working day. It knows nothing of Lockstep but two
 * settings of its transactions, which say who writes and in which trace.
 */
import { eq, inArray, sql } from "drizzle-orm";
import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { books, loans, members } from "./schema.ts";

type Database = PostgresJsDatabase;
type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];

/** Who writes, and in which trace: W3C's traceparent. */
export interface WriteContext {
  readonly actor: string;
  readonly traceparent: string;
}

export class LibraryApp {
  private readonly client: ReturnType<typeof postgres>;
  private readonly database: Database;

  constructor(url: string) {
    this.client = postgres(url, { max: 2, onnotice: () => {} });
    this.database = drizzle(this.client);
  }

  /** Creates the tables by the migrations that drizzle-kit wrote. */
  async migrate(): Promise<void> {
    await migrate(this.database, { migrationsFolder: `${import.meta.dir}/migrations` });
  }

  /** Runs `work` in a transaction whose changes carry the actor and the trace. */
  private inContext<T>({ actor, traceparent }: WriteContext, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.database.transaction(async (tx) => {
      await tx.execute(sql`select set_config('lockstep.actor', ${actor}, true),
        set_config('lockstep.traceparent', ${traceparent}, true)`);
      return await work(tx);
    });
  }

  /** Create, update, upsert, delete, bulk, and a transaction that is rolled back. */
  async workingDay(context: WriteContext): Promise<void> {
    const [ada, bob] = await this.inContext(context, (tx) => this.register(tx));
    await this.inContext(context, (tx) => this.buyAndLend(tx, ada!, bob!));
    await this.inContext(context, async (tx) => {
      await tx.update(members).set({ fee: "-12.50", name: null }).where(eq(members.id, ada!));
      await tx.update(books).set({ isbn: "978-0-13-110362-8/a,b" }).where(eq(books.isbn, "isbn 2"));
      await tx.delete(members).where(eq(members.id, bob!));
    });
    await this.inContext(context, async (tx) => {
      await tx.update(members).set({ tags: ["must not be seen"] });
      throw new Error("rolled back");
    }).catch((error: Error) => {
      if (error.message !== "rolled back") throw error;
    });
    // One write without a transaction of its own: no actor, no trace.
    await this.database
      .update(books)
      .set({ pages: 1 })
      .where(inArray(books.isbn, ["isbn 3", "isbn 4"]));
  }

  private async register(tx: Transaction): Promise<string[]> {
    const rows = await tx
      .insert(members)
      .values([
        { email: "Ada@example.org", name: "Ada", preferences: { theme: "dark", sizes: [1.5, 2] }, tags: ['a "b"', ""] },
        { email: "bob@example.org", name: "Bób 😀", fee: "99999999.99" },
        { email: "eve@example.org", isActive: false },
      ])
      .returning({ id: members.id });
    return rows.map(({ id }) => id);
  }

  private async buyAndLend(tx: Transaction, ada: string, bob: string): Promise<void> {
    const bulk = Array.from({ length: 500 }, (_, i) => ({
      isbn: `isbn ${i}`,
      title: `Book ${i}`,
      copies: 9_007_199_254_740_993n + BigInt(i),
      published: i % 2 === 0 ? "2024-02-29" : null,
    }));
    await tx.insert(books).values(bulk);
    await tx
      .insert(books)
      .values({ isbn: "isbn 1", title: "Again" })
      .onConflictDoUpdate({ target: books.isbn, set: { title: sql`excluded.title || ' and again'` } });
    await tx.insert(loans).values([
      { memberId: ada, isbn: "isbn 1", lentOn: "2026-01-31" },
      { memberId: ada, isbn: "isbn 2", lentOn: "2026-01-31" },
      { memberId: bob, isbn: "isbn 2", lentOn: "2026-02-01", state: "lost" },
    ]);
    await tx.update(loans).set({ state: "returned" }).where(eq(loans.isbn, "isbn 1"));
  }

  async close(): Promise<void> {
    await this.client.end();
  }
}
