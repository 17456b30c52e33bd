/** What changes, as it happens: server-sent events, read with `fetch`, because `EventSource` sends no token. */
import type { components } from "./schema.js";

type Schemas = components["schemas"];

/** Something that has happened. `cursor` is where to go on from; numbers and order are those of `/v1/changes`. */
export type StreamEvent =
  | { kind: "task" | "list"; cursor: string; change: Schemas["ChangedThing"] }
  | { kind: "reminder"; cursor: string; task: Schemas["Task"] | null; document: Record<string, unknown> };

export interface FollowOptions {
  baseUrl: string;
  token: string;
  /** `next_cursor` of `GET /v1/changes`, or the `cursor` of an event; without it: from now on. */
  cursor?: string;
  /** Ends the stream. */
  signal?: AbortSignal;
  /** Told of each failure before the next try, in how many milliseconds that is. */
  onRetry?: (failure: unknown, milliseconds: number) => void;
}

/** What happened since the cursor is purged: begin anew, by `GET /v1/changes` without a cursor. */
export class SyncExpired extends Error {
  override readonly name = "SyncExpired";
}

/** The server refuses the stream, and another try would be refused as well. */
export class StreamRefused extends Error {
  override readonly name = "StreamRefused";
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

// The server says every 15 seconds that it is there.
const SILENCE_MS = 45_000;
const LONGEST_WAIT_MS = 60_000;
const PASSING = new Set([429, 502, 503, 504]);

interface Position {
  cursor: string | undefined;
  waitMs: number;
  failures: number;
}

/**
 * Yield what happens, for ever, or until `signal` is aborted. A connection that ends or breaks is made anew from where it
 * was, and nothing is missed. Throws SyncExpired and StreamRefused.
 */
export async function* follow(options: FollowOptions): AsyncGenerator<StreamEvent, void, undefined> {
  const at: Position = { cursor: options.cursor, waitMs: 1000, failures: 0 };
  while (!options.signal?.aborted) {
    let wait = at.waitMs;
    try {
      yield* connection(options, at);
      wait = at.waitMs; // ended in order, as it does after an hour
    } catch (failure) {
      if (options.signal?.aborted) return;
      if (failure instanceof SyncExpired || failure instanceof StreamRefused) throw failure;
      at.failures += 1;
      const asked = failure instanceof Passing ? failure.afterMs : 0;
      // Doubled each time, with jitter: clients that were cut off together must not come back together.
      const backoff = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** Math.min(at.failures - 1, 10)) * Math.random();
      wait = Math.max(asked, backoff);
      options.onRetry?.(failure, wait);
    }
    await pause(wait, options.signal);
  }
}

class Passing extends Error {
  constructor(
    status: number,
    readonly afterMs: number,
  ) {
    super(`The server answers ${status}.`);
  }
}

async function* connection(options: FollowOptions, at: Position): AsyncGenerator<StreamEvent, void, undefined> {
  const silence = new AbortController();
  const stop = () => silence.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", stop, { once: true });
  let timer = setTimeout(() => silence.abort(new Error("The server has fallen silent.")), SILENCE_MS);
  try {
    const response = await open(options, at, silence.signal);
    let rest = "";
    // An own decoder: TextDecoderStream is not everywhere where fetch is.
    const decoder = new TextDecoder();
    const reader = response.body?.getReader();
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new Error("The server has fallen silent.")), SILENCE_MS);
      const blocks = (rest + decoder.decode(read.value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        at.failures = 0;
        const event = understood(block, at);
        if (event !== undefined) yield event;
      }
    }
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
    silence.abort(); // whoever leaves the loop leaves the connection
  }
}

async function open({ baseUrl, token }: FollowOptions, at: Position, signal: AbortSignal): Promise<Response> {
  const address = new URL(`${baseUrl.replace(/\/+$/, "")}/v1/changes/stream`);
  if (at.cursor !== undefined) address.searchParams.set("cursor", at.cursor);
  const headers = { Authorization: `Bearer ${token}`, Accept: "text/event-stream" };
  const response = await fetch(address, { headers, signal, cache: "no-store" });
  if (response.ok) return response;
  if (PASSING.has(response.status)) {
    throw new Passing(response.status, 1000 * Number(response.headers.get("Retry-After") ?? 0));
  }
  const problem = (await response.json().catch(() => ({}))) as Partial<Schemas["ProblemDocument"]>;
  const { code = "unknown", detail = `The server answers ${response.status}.` } = problem;
  if (response.status === 410 || code === "invalid-cursor") throw new SyncExpired(detail);
  throw new StreamRefused(response.status, code, detail);
}

function understood(block: string, at: Position): StreamEvent | undefined {
  const lines = new Map<string, string>();
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) lines.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ""));
  }
  at.cursor = lines.get("id") ?? at.cursor;
  const retry = lines.get("retry");
  if (retry !== undefined) at.waitMs = Number(retry);
  const kind = lines.get("event");
  const cursor = at.cursor ?? "";
  if (kind === "sync-expired") throw new SyncExpired("What happened since the cursor is purged: begin anew.");
  if (kind === "task" || kind === "list") {
    return { kind, cursor, change: JSON.parse(lines.get("data") ?? "") as Schemas["ChangedThing"] };
  }
  if (kind !== "reminder") return undefined; // of a newer server
  const document = JSON.parse(lines.get("data") ?? "{}") as Record<string, unknown>;
  return { kind, cursor, task: (document["task"] as Schemas["Task"] | null | undefined) ?? null, document };
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done, { once: true });
  });
}
