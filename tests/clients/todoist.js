// Todoist's own SDK for JavaScript, unmodified, at a server of ours; run by test_clients.py. It checks each answer by schemas of its own.

import assert from "node:assert/strict";
import { TodoistApi, createCommand } from "@doist/todoist-sdk";

const [baseUrl, token] = process.argv.slice(2);
const api = new TodoistApi(token, { baseUrl });

async function refused(call, status) {
  await assert.rejects(call, (error) => error.httpStatusCode === status && typeof error.responseData.error_tag === "string");
}

// --- Projects ---

const home = await api.addProject({ name: "Home", color: "teal" });
assert.deepEqual([home.name, home.color, home.inboxProject], ["Home", "teal", false]);
assert.deepEqual(await api.getProject(home.id), home);
const [inbox] = (await api.getProjects({ limit: 1 })).results;
assert.equal(inbox.inboxProject, true);
assert.equal((await api.searchProjects({ query: "ho" })).results.length, 1);
assert.equal((await api.updateProject(home.id, { name: "House" })).name, "House");
assert.equal((await api.archiveProject(home.id)).isArchived, true);
assert.equal((await api.getArchivedProjects()).results[0].id, home.id);
assert.equal((await api.unarchiveProject(home.id)).isArchived, false);
assert.deepEqual((await api.getProjectCollaborators(home.id)).results, []);

// --- Tasks ---

const task = await api.addTask({ content: "Buy milk", labels: ["errand"], priority: 4, dueDate: "2026-12-01" });
assert.deepEqual([task.content, task.projectId, task.priority, task.due.date], ["Buy milk", inbox.id, 4, "2026-12-01"]);
assert.deepEqual(await api.getTask(task.id), task);
const child = await api.addTask({ content: "Find a bag", parentId: task.id });
assert.deepEqual((await api.getTasks({ limit: 1 })).results, [task]);
assert.equal((await api.getTasks({ ids: [task.id, child.id] })).results.length, 2);
assert.equal((await api.getTasksByFilter({ query: "p1 & @errand" })).results[0].id, task.id);
assert.equal((await api.updateTask(task.id, { dueString: null })).due, null);
assert.equal((await api.moveTask(task.id, { projectId: home.id })).projectId, home.id);
assert.equal((await api.moveTasks([child.id], { projectId: inbox.id }))[0].projectId, inbox.id);
assert.equal(await api.closeTask(child.id), true);
const around = { since: new Date(Date.now() - 3600e3).toISOString(), until: new Date(Date.now() + 3600e3).toISOString() };
assert.equal((await api.getCompletedTasksByCompletionDate(around)).items[0].id, child.id);
assert.equal(await api.reopenTask(child.id), true);
await refused(api.quickAddTask({ text: "Buy milk tomorrow" }), 404);
await refused(api.updateTask(task.id, { dueString: "tomorrow" }), 400);

// --- Labels, and what is not here ---

const [label] = (await api.getLabels()).results;
assert.deepEqual(await api.getLabel(label.id), label);
assert.equal((await api.updateLabel(label.id, { name: "shop" })).name, "shop");
assert.equal(await api.renameSharedLabel({ name: "shop", newName: "town" }), true);
assert.deepEqual((await api.getSharedLabels()).results, ["town"]);
assert.equal(await api.removeSharedLabel({ name: "town" }), true);
assert.deepEqual((await api.getSections({ projectId: home.id })).results, []);
await refused(api.addLabel({ name: "a" }), 404);
await refused(api.addSection({ name: "a", projectId: home.id }), 404);
await refused(api.getComments({ taskId: task.id }), 404);
await refused(api.getUser(), 404);

// --- Sync ---

const whole = await api.sync({ syncToken: "*", resourceTypes: ["all"] });
assert.equal(whole.fullSync, true);
assert.deepEqual(whole.items.map((item) => item.id).sort(), [task.id, child.id].sort());
const made = await api.sync({
  syncToken: whole.syncToken,
  resourceTypes: ["items", "projects"],
  commands: [
    createCommand("project_add", { name: "Garden" }, "garden"),
    createCommand("item_add", { content: "Rake", projectId: "garden", due: { date: "2026-12-01" } }, "rake"),
    createCommand("item_delete", { id: child.id }),
  ],
});
assert.deepEqual(
  made.items.map((item) => [item.id, item.projectId, item.isDeleted]).sort(),
  [[made.tempIdMapping.rake, made.tempIdMapping.garden, false], [child.id, "inbox", true]].sort(),
);
const comment = createCommand("note_add", { itemId: task.id, content: "a" });
await assert.rejects(api.sync({ commands: [comment] }), (error) => error.httpStatusCode === 404);
assert.equal(await api.deleteTask(task.id), true);
assert.equal(await api.deleteProject(home.id), true);
