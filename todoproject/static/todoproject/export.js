// Fetches an export in frames that tell how many rows are done, and saves it when it is complete: a file that was cut
// off on its way is never taken for a whole one. Without this script the form still downloads the file.
"use strict";

const form = document.getElementById("export");
const progress = document.getElementById("progress");
const bar = progress.querySelector("progress");
const said = document.getElementById("said");
const stop = document.getElementById("stop");
const buttons = form.querySelectorAll("button");
const KEPT_BYTES = 8 << 20; // then they go into a blob, which browsers keep on disk

const grouped = (number) => number.toLocaleString("en");

function show(rows, isDone) {
  const expected = Number(form.dataset.rows);
  bar.value = isDone ? 1 : Math.min(rows / Math.max(expected, 1), 0.99);
  const of = isDone ? "" : ` of ${form.dataset.estimate ? "about " : ""}${grouped(expected)}`;
  said.textContent = `${grouped(rows)}${of} rows${isDone ? ", done." : ""}`;
}

async function* frames(body) {
  let rest = new Uint8Array(0);
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const bytes = new Uint8Array(rest.length + value.length);
    bytes.set(rest);
    bytes.set(value, rest.length);
    let start = 0;
    while (bytes.length - start >= 8) {
      const view = new DataView(bytes.buffer, start);
      const [rows, length] = [view.getUint32(0), view.getUint32(4)];
      if (bytes.length - start - 8 < length) break;
      yield { rows, piece: bytes.slice(start + 8, start + 8 + length) };
      start += 8 + length;
    }
    rest = bytes.slice(start);
  }
}

async function read(response) {
  let file = new Blob([]);
  let [pieces, kept] = [[], 0];
  for await (const { rows, piece } of frames(response.body)) {
    if (!piece.length) {
      show(rows, true);
      return new Blob([file, ...pieces]);
    }
    show(rows, false);
    pieces.push(piece);
    kept += piece.length;
    if (kept > KEPT_BYTES) {
      file = new Blob([file, ...pieces]);
      [pieces, kept] = [[], 0];
    }
  }
  throw new Error("it ended too early");
}

function save(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const cancel = new AbortController();
  const body = new FormData(form, event.submitter);
  buttons.forEach((button) => { button.disabled = true; });
  progress.hidden = stop.hidden = false;
  stop.onclick = () => cancel.abort();
  show(0, false);
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { "X-Export": "frames" }, signal: cancel.signal });
    if (!response.ok || response.redirected) throw new Error(`the server answered ${response.status}`);
    const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition"))[1];
    save(await read(response), name);
  } catch (error) {
    said.textContent = cancel.signal.aborted ? "Stopped; nothing was saved." : `Nothing was saved: ${error.message}.`;
  } finally {
    stop.hidden = true;
    buttons.forEach((button) => { button.disabled = false; });
  }
});
