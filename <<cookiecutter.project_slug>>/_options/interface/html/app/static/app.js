// Convenience only: all pages work without this file. It never converts text to HTML (the policy
// "require-trusted-types-for 'script'" would refuse that) and creates each element separately.
"use strict";

// The text before and after the caret after a button has wrapped the selected text.
const FORMATS = [
  { label: "Bold", name: "Bold", parts: (text) => [`**${text}`, "**"] },
  { label: "Italic", name: "Italic", parts: (text) => [`*${text}`, "*"] },
  { label: "Link", name: "Link", parts: (text) => [`[${text}](https://`, ")"] },
  { label: "List", name: "List, one item a line", parts: (text) => [`\n- ${text.split("\n").join("\n- ")}`, "\n"] },
];

function wrapSelection(area, parts) {
  const start = area.selectionStart;
  const [head, tail] = parts(area.value.slice(start, area.selectionEnd));
  area.focus();
  // insertText keeps the browser's undo history; setRangeText is the fallback.
  if (!document.execCommand("insertText", false, head + tail)) {
    area.setRangeText(head + tail);
  }
  area.setSelectionRange(start + head.length, start + head.length);
}

for (const area of document.querySelectorAll("textarea[data-toolbar]")) {
  const toolbar = document.createElement("div");
  toolbar.className = "toolbar";
  toolbar.setAttribute("role", "group");
  toolbar.setAttribute("aria-label", "Format the selected text");
  for (const { label, name, parts } of FORMATS) {
    const button = document.createElement("button");
    button.type = "button"; // never submits the form
    button.className = "secondary";
    button.textContent = label;
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => wrapSelection(area, parts));
    toolbar.append(button);
  }
  area.before(toolbar);
}

for (const form of document.querySelectorAll("form:has(input[type=password])")) {
  const fields = [...form.querySelectorAll("input[type=password]")];
  const label = document.createElement("label");
  const box = document.createElement("input");
  const show = (visible) => fields.forEach((field) => { field.type = visible ? "text" : "password"; });
  box.type = "checkbox";
  box.addEventListener("change", () => show(box.checked));
  form.addEventListener("submit", () => show(false)); // otherwise the browser would save the password as plain text
  label.className = "check";
  label.append(box, fields.length > 1 ? "Show passwords" : "Show password");
  fields.at(-1).closest(".field").after(label);
}
