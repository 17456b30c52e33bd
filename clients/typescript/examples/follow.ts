// Prints the open tasks, then what changes, as it happens: npm run follow -- <address> <token>
import { createClient, follow, SyncExpired, type Task } from "../src/index.js";

declare const process: { argv: string[] };

const [baseUrl, token] = process.argv.slice(2);
if (baseUrl === undefined || token === undefined) throw new Error("Give the server's address and a token.");

const client = createClient({ baseUrl, token });
const tasks = new Map<string, Task>();

/** Read everything, page by page, and return the cursor to go on from. */
async function readAll(): Promise<string> {
  tasks.clear();
  // First the present cursor, then the lists: what changes in between is told a second time, and never missed.
  const now = await client.GET("/v1/changes", { params: { query: { cursor: "now" } } });
  if (now.error) throw new Error(now.error.detail);
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query = { limit: 200, is_completed: false, ...(cursor === undefined ? {} : { cursor }) };
    const page = await client.GET("/v1/tasks", { params: { query } });
    if (page.error) throw new Error(page.error.detail);
    for (const task of page.data.items) tasks.set(task.id, task);
    cursor = page.data.next_cursor;
  }
  return now.data.next_cursor;
}

for (let cursor = await readAll(); ; ) {
  for (const task of tasks.values()) console.log(`open     ${task.title}`);
  console.log("Following.");
  try {
    for await (const event of follow({ baseUrl, token, cursor })) {
      if (event.kind === "reminder") console.log(`reminder ${event.task?.title ?? ""}`);
      else if (event.kind === "task") {
        const known = tasks.get(event.change.id);
        const task = event.change.task;
        if (task) tasks.set(task.id, task);
        else tasks.delete(event.change.id);
        console.log(`${word(known, task)} ${(task ?? known)?.title ?? event.change.id}`);
      }
    }
  } catch (error) {
    if (!(error instanceof SyncExpired)) throw error;
    cursor = await readAll();
  }
}

function word(known: Task | undefined, task: Task | null | undefined): string {
  if (!task) return "deleted ";
  if (task.is_completed) return "done    ";
  return known ? "changed " : "new     ";
}
