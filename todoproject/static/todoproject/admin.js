// Select2 names its boxes after themselves; a screen reader should hear the label of the field.
"use strict";

function nameBoxes() {
  for (const box of document.querySelectorAll(".select2-selection[aria-labelledby]")) {
    const select = box.closest(".select2").previousElementSibling;
    const label = select?.labels?.[0]?.textContent.trim() || select?.getAttribute("aria-label") || "Choose";
    for (const named of [box, box.querySelector("[role=textbox]")]) {
      named?.setAttribute("aria-label", label);
      named?.removeAttribute("aria-labelledby");
    }
  }
}

new MutationObserver(nameBoxes).observe(document, { childList: true, subtree: true });

// Unfold opens filters, menus and the sidebar by a click on what is no button; the keyboard shall reach them, too.
function makeButtons() {
  for (const part of document.querySelectorAll("[x-on\\:click]:not(button):not([href]):not(input):not([tabindex])")) {
    if (part.id === "changelist-filter-close") continue;
    part.tabIndex = 0;
    part.setAttribute("role", "button");
    if (!part.textContent.trim() || part.matches(".material-symbols-outlined")) part.setAttribute("aria-label", "Menu");
  }
}

document.addEventListener("keydown", (event) => {
  if ((event.key === "Enter" || event.key === " ") && event.target.matches("[role=button][x-on\\:click]")) {
    event.preventDefault();
    event.target.click();
  }
});

function nameCutCells() {
  for (const cell of document.querySelectorAll("#result_list td, #result_list th, table.cut td")) {
    if (!cell.title && cell.scrollWidth > cell.clientWidth) cell.title = cell.textContent.trim();
  }
}

// Leaving a list with edits that are not saved asks first, as leaving a form does.
function warnOfUnsaved() {
  const list = document.getElementById("changelist-form");
  if (!list) return;
  let isChanged = false;
  list.addEventListener("change", (event) => { isChanged ||= /^form-\d+-/.test(event.target.name); });
  list.addEventListener("submit", () => { isChanged = false; });
  window.addEventListener("beforeunload", (event) => { if (isChanged) event.preventDefault(); });
}

// An action on all rows that match is done in steps: one sees how far it is, and can stop. What is done stays done.
async function takeSteps(form) {
  const [panel, rows] = [form.querySelector("#steps"), Number(form.dataset.rows)];
  const [bar, said, stop] = ["progress", "output", "button"].map((name) => panel.querySelector(name));
  let isStopped = false;
  stop.onclick = () => { isStopped = true; };
  form.querySelectorAll("button[type=submit]").forEach((button) => { button.disabled = true; });
  panel.hidden = false;
  const body = new FormData(form);
  for (let step = 1; ; step += 1) {
    const headers = { "X-Step": isStopped ? "stop" : String(step) };
    const response = await fetch(location.href, { method: "POST", body, headers });
    if (!response.headers.get("Content-Type")?.startsWith("application/json")) break;
    const { looked, is_last: isLast, next } = await response.json();
    bar.value = looked;
    said.textContent = `${Math.min(looked, rows).toLocaleString("en")} of ${rows.toLocaleString("en")}`;
    if (isLast) return next;
  }
  return form.dataset.back; // where a message says what has happened
}

function watchSteps() {
  const form = document.getElementById("in-steps");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    location.assign(await takeSteps(form).catch(() => form.dataset.back));
  });
}

document.addEventListener("DOMContentLoaded", () => { makeButtons(); nameCutCells(); warnOfUnsaved(); watchSteps(); });
