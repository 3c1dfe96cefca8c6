// What the scripts use of k6's modules (k6 1.1); k6 brings them, they are no package.
declare const __ENV: Readonly<Record<string, string | undefined>>;
declare const __VU: number;
declare const __ITER: number;

declare module "k6" {
  /** Counts each named condition in the metric `checks`; true when all hold. */
  export function check<T>(value: T, conditions: Readonly<Record<string, (value: T) => boolean>>): boolean;
  export function sleep(seconds: number): void;
}

declare module "k6/http" {
  export interface Response {
    /** 0 when there was no answer. */
    readonly status: number;
    json(selector?: string): unknown;
  }
  interface Params {
    readonly headers?: Readonly<Record<string, string>>;
    readonly tags?: Readonly<Record<string, string>>;
    readonly responseCallback?: object;
    readonly timeout?: string;
  }
  const http: {
    get(url: string, params?: Params): Response;
    post(url: string, body: string, params?: Params): Response;
    del(url: string, body: null, params?: Params): Response;
    /** Which statuses do not count as failed requests. */
    expectedStatuses(...statuses: number[]): object;
  };
  export default http;
}

declare module "k6/metrics" {
  export class Trend {
    /** @param isTime true prints milliseconds as times. */
    constructor(name: string, isTime?: boolean);
    add(value: number, tags?: Readonly<Record<string, string>>): void;
  }
}
