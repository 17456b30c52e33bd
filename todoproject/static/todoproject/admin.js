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
