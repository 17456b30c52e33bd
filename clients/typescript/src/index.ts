/** The task API in TypeScript: its types, made from its own document, a small client, and what changes, as it happens. */
import createFetchClient, { type Client, type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";
export { follow, StreamRefused, SyncExpired, type FollowOptions, type StreamEvent } from "./stream.js";

type Schemas = components["schemas"];

export type Task = Schemas["Task"];
export type TaskCreate = Schemas["TaskCreate"];
export type TaskPatch = Schemas["TaskPatch"];
export type TaskList = Schemas["TaskList"];
export type ChangedThing = Schemas["ChangedThing"];
/** An error, as RFC 9457 describes it: what `error` of an answer is. */
export type Problem = Schemas["ProblemDocument"];

export type TodoClient = Client<paths>;

export interface ClientOptions {
  /** The server's address, such as `https://todo.example.com`. */
  baseUrl: string;
  /** From logging in, or from `POST /v1/tokens`. Without one only what needs none answers. */
  token?: string;
  /** In place of the platform's own. */
  fetch?: (request: Request) => Promise<Response>;
}

const KEYED = new Set(["POST", "PATCH"]);

/**
 * Make a client. Its methods are those of openapi-fetch: `client.GET("/v1/tasks", …)` gives `data` or `error`, by type.
 *
 * Each POST and PATCH carries an `Idempotency-Key`, so that a request which a proxy or a service worker sends again
 * happens once. Give one of your own in `headers` where you send it again yourself.
 */
export function createClient({ baseUrl, token, fetch }: ClientOptions): TodoClient {
  const client = createFetchClient<paths>({
    baseUrl: baseUrl.replace(/\/+$/, ""),
    ...(token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } }),
    ...(fetch === undefined ? {} : { fetch }),
  });
  client.use(keyed);
  return client;
}

const keyed: Middleware = {
  onRequest({ request, schemaPath }) {
    const takesKey = KEYED.has(request.method) && schemaPath !== "/v1/auth/stream-ticket";
    if (takesKey && !request.headers.has("Idempotency-Key")) {
      request.headers.set("Idempotency-Key", crypto.randomUUID());
    }
    return request;
  },
};
