/** Runs the bookshop on Django. The machine's own pip fetches Django and psycopg, once per machine. */
import { join } from "node:path";
import { cached, MissingComponentError, withProgress } from "../../../stack/servers/machine-cache.ts";
import { errorLineOf, run } from "../../../stack/servers/run-command.ts";
import type { StartOptions } from "../../../stack/servers/server.ts";
import type { WriteContext } from "./drizzle/library-app.ts";

const PINS = [
  "django==5.2.19",
  "asgiref==3.9.1",
  "sqlparse==0.5.3",
  "psycopg[binary]==3.3.9",
  "typing-extensions==4.15.0",
];
const REMEDY = "install Python 3.10 or later with pip";
const FOLDER = join(import.meta.dir, "django/bookshop");

/** Folder with Django's packages, for PYTHONPATH. @throws {MissingComponentError} when pip cannot fetch them. */
export async function djangoPackages(options: StartOptions = {}): Promise<string> {
  const version = await run("python3", ["-c", "import platform; print(platform.python_version())"]);
  if (version.status !== 0)
    throw new MissingComponentError("Django needs Python, which is not on this machine", REMEDY);
  const name = `python/django-5.2.19-psycopg-3.3.9-python-${version.output.trim()}`;
  return cached(
    name,
    (folder) =>
      withProgress(
        "fetching Django (once per machine)",
        async () => {
          const args = ["-m", "pip", "install", "--quiet", "--root-user-action", "ignore", "--target", folder, ...PINS];
          const { status, output } = await run("python3", args, { signal: options.signal });
          if (status !== 0)
            throw new MissingComponentError(`Django could not be fetched (${errorLineOf(output)})`, REMEDY);
        },
        options,
      ),
    options,
  );
}

export class BookshopApp {
  private constructor(
    private readonly url: string,
    private readonly packages: string,
  ) {}

  static async open(url: string): Promise<BookshopApp> {
    return new BookshopApp(url, await djangoPackages());
  }

  /** Creates the tables by the migrations that `makemigrations` wrote. */
  async migrate(): Promise<void> {
    await this.manage("migrate", "--verbosity", "0");
  }

  /** True when the models have no change that the migrations lack. */
  async isUpToDate(): Promise<boolean> {
    return (await this.manage("makemigrations", "--check", "--dry-run")).includes("No changes detected");
  }

  /** Create, update, upsert, delete, bulk, savepoints, and a transaction that is rolled back. */
  async workingDay({ actor, traceparent }: WriteContext): Promise<void> {
    await this.manage("working_day", "--actor", actor, "--traceparent", traceparent);
  }

  private async manage(...args: string[]): Promise<string> {
    const { status, output } = await run("python3", ["manage.py", ...args], {
      cwd: FOLDER,
      env: { ...process.env, PYTHONPATH: this.packages, PYTHONDONTWRITEBYTECODE: "1", DATABASE_URL: this.url },
    });
    if (status !== 0) throw new Error(`manage.py ${args[0]} failed:\n${output}`);
    return output;
  }
}
