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

// A list; in it a task, and under that a labelled one that recurs and does not begin before a day.
const home = await api.POST("/v1/lists", { body: { name: "Home", color: "#3366cc" } });
check(home.data !== undefined, "list");
const listPath = { list_id: home.data.id };
const sentBack = await api.PATCH("/v1/lists/{list_id}", { params: { path: listPath }, body: { ...home.data, name: "House" } });
check(sentBack.data?.name === "House" && sentBack.data.version === 2, "a list sent back whole");
const parent = await api.POST("/v1/tasks", { body: { title: "Garden", list_id: home.data.id } });
check(parent.data !== undefined, "parent");
const series = await api.POST("/v1/tasks", {
  body: {
    title: "Water the plants",
    parent_id: parent.data.id,
    labels: ["plants", "before work"],
    due_on: "2027-01-04",
    starts_on: "2027-01-03",
    recurrence: { rule: "FREQ=DAILY;COUNT=3", missed: "keep", timezone: "UTC" },
  },
});
check(series.data !== undefined && series.data.list_id === home.data.id, "series");
check(series.data.recurrence?.rule === "FREQ=DAILY;COUNT=3" && series.data.labels[1] === "before work", "its members");
const first = { path: { task_id: series.data.id } };

// By its occurrence, so that a repeat completes no second one; and undone.
const occurrence = series.data.occurrence;
const done = await api.POST("/v1/tasks/{task_id}/complete", { params: first, body: { occurrence } });
check(done.data?.occurrence === "2027-01-05" && done.data.starts_on === "2027-01-04", "moved on");
check(done.data.completed?.recurrence_of === series.data.id && done.data.completed.is_completed, "its copy");
const repeated = await api.POST("/v1/tasks/{task_id}/complete", { params: first, body: { occurrence } });
check(repeated.data?.version === done.data.version, "completed once");
const change_no = Number(done.response.headers.get("Change-No"));
const undone = await api.POST("/v1/changes/{change_no}/undo", { params: { path: { change_no } } });
check(undone.data?.items.length === 2 && undone.data.items.some((item) => item.deleted), "undo");
const back = await api.GET("/v1/tasks/{task_id}", { params: first });
check(back.data?.occurrence === "2027-01-04" && !back.data.is_completed, "undone");

const feed = await api.GET("/v1/changes");
check(feed.data !== undefined && !feed.data.has_more, "changes");
check(feed.data.items.some((item) => item.list?.name === "House"), "the list among them");
check(feed.data.items.some((item) => item.task?.title === "Water the plants"), "the series among them");
const rest = await api.GET("/v1/changes", { params: { query: { cursor: feed.data.next_cursor } } });
check(rest.data?.items.length === 0, "nothing since");

const hook = await api.POST("/v1/webhooks", { body: { url: "https://hooks.example.com/todo", events: ["task.completed", "list.*"] } });
check(hook.data !== undefined && hook.data.secret.startsWith("whsec_"), "webhook");
const hookPath = { webhook_id: hook.data.id };
check((await api.DELETE("/v1/webhooks/{webhook_id}", { params: { path: hookPath } })).response.status === 204, "no webhook");
check((await api.GET("/v1/webhooks/{webhook_id}", { params: { path: hookPath } })).response.status === 404, "it is gone");

check((await api.DELETE("/v1/tasks/{task_id}", { params: { path } })).response.status === 204, "delete");

const gone = await api.GET("/v1/tasks/{task_id}", { params: { path } });
const absent: Problem | undefined = gone.error;
check(absent?.status === 404 && absent.code === "not-found", "not found");

const stranger = createClient<paths>({ baseUrl, headers: { Authorization: "Bearer todo_wrong" } });
const denied: Problem | undefined = (await stranger.GET("/v1/tasks")).error;
check(denied?.status === 401 && denied.code === "unauthenticated", "wrong token");

const refused: Problem | undefined = (await api.POST("/v1/tasks", { body: { title: " " } })).error;
check(refused?.errors[0]?.pointer === "#/title", "refused");
