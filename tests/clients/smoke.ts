// A day with the types that openapi-typescript has generated into schema.d.ts; run by tests/clients/test_clients.py.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

type Task = components["schemas"]["Task"];
type Problem = components["schemas"]["ProblemDocument"];

function check(isTrue: boolean, what: string): asserts isTrue {
  if (!isTrue) throw new Error(what);
}

const [baseUrl, email] = process.argv.slice(2) as [string, string];
const password = "correct horse battery staple";

const open = createClient<paths>({ baseUrl });
await open.POST("/v1/auth/register", { body: { email, password } });
const session = await open.POST("/v1/auth/login", { body: { email, password } });
check(session.data !== undefined, "login");

const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${session.data.token}` } });

const header = { "Idempotency-Key": crypto.randomUUID() };
const body = { title: "Buy milk", priority: "high", due_on: "2026-12-24" } as const;
const created = await api.POST("/v1/tasks", { params: { header }, body });
const again = await api.POST("/v1/tasks", { params: { header }, body });
check(created.data !== undefined && created.response.status === 201, "create");
check(again.response.headers.get("Idempotency-Replayed") === "true" && again.data?.id === created.data.id, "replay");
const task: Task = created.data;
const path = { task_id: task.id };

const page = await api.GET("/v1/tasks", { params: { query: { limit: 10, priority: "high" } } });
check(page.data?.items.length === 1 && page.data.next_cursor === null, "list");

const patched = await api.PATCH("/v1/tasks/{task_id}", { params: { path }, body: { title: "Buy oat milk", due_on: null } });
check(patched.data?.title === "Buy oat milk" && patched.data.priority === "high" && patched.data.due_on === null, "patch");

const completed = await api.POST("/v1/tasks/{task_id}/complete", { params: { path } });
check(completed.data?.is_completed === true, "complete");

check((await api.DELETE("/v1/tasks/{task_id}", { params: { path } })).response.status === 204, "delete");

const gone = await api.GET("/v1/tasks/{task_id}", { params: { path } });
const absent: Problem | undefined = gone.error;
check(absent?.status === 404 && absent.code === "not-found", "not found");

const stranger = createClient<paths>({ baseUrl, headers: { Authorization: "Bearer todo_wrong" } });
const denied: Problem | undefined = (await stranger.GET("/v1/tasks")).error;
check(denied?.status === 401 && denied.code === "unauthenticated", "wrong token");

const refused: Problem | undefined = (await api.POST("/v1/tasks", { body: { title: " " } })).error;
check(refused?.errors[0]?.pointer === "#/title", "refused");
