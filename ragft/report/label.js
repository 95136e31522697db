"use strict";
// Grades by keyboard. Every text is set as text, never as HTML: answers are hostile.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  // Each person's own: who grades next in the same browser must not see what others gave.
  const stored = () => `ragft labels ${data.id} ${at("name").value.trim()}`;
  const NO_GRADE = "-";
  let place = -1, unsaved = false;
  // For each row, the label of each criterion; null where nothing was pressed yet.
  let given = data.rows.map(() => data.criteria.map(() => null));

  const make = (tag, text) => {
    const node = document.createElement(tag);
    node.textContent = text;
    return node;
  };
  const graded = (row) => row.every((label) => label !== null);
  const count = () => given.filter(graded).length;

  // The browser keeps what was graded, so that a closed window loses nothing; where it may not, saving still works.
  const keep = () => {
    try { localStorage.setItem(stored(), JSON.stringify(given)); } catch { /* not allowed here */ }
  };
  const recall = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(stored()));
      if (kept && kept.length === given.length) {
        given = kept;
        unsaved = given.some((row) => row.some((label) => label !== null));
      }
    } catch { /* nothing was kept */ }
  };

  const tell = () => {
    at("count").textContent = `${count()} of ${data.rows.length} answers graded`;
    at("done").value = count() / Math.max(1, data.rows.length);
  };
  const criterion = () => given[place].indexOf(null);

  const showGrades = () => {
    const now = criterion();
    at("grade").replaceChildren(...data.criteria.map((each, index) => {
      const box = document.createElement("fieldset");
      if (index === now) box.className = "now";
      box.append(make("legend", each.name), make("p", each.asks));
      const grades = make("div", "");
      grades.className = "grades";
      for (const [key, label, means] of [...each.labels, ["n", NO_GRADE, "cannot tell"]]) {
        const button = make("button", ` ${[NO_GRADE, key].includes(label) ? "" : `${label} `}${means}`);
        button.type = "button";
        button.prepend(make("kbd", key));
        if (given[place][index] === label) { button.className = "chosen"; button.setAttribute("aria-pressed", "true"); }
        button.addEventListener("click", () => grade(index, label));
        grades.append(button);
      }
      box.append(grades);
      return box;
    }));
  };

  const show = (wanted) => {
    place = Math.max(0, Math.min(wanted, data.rows.length));
    at("start").hidden = true;
    at("keys").hidden = false;
    at("item").hidden = place === data.rows.length;
    at("end").hidden = place < data.rows.length;
    at("note").textContent = "";
    tell();
    if (place === data.rows.length) {
      const left = data.rows.length - count();
      at("all").textContent = left ? `${left} answers are not graded yet.` : "All answers are graded.";
      at("saved").textContent = "Press s to save the file, then give it to ragft: -P ratings=<file>.";
      at("end").querySelector("h1").focus();
      return;
    }
    const row = data.rows[place];
    at("question").textContent = row.question;
    at("answer").textContent = row.answer || "(no answer)";
    at("references").replaceChildren(...row.references.map((text) => make("li", text)));
    at("passages").open = false;
    at("passages").hidden = !row.passages.length;
    at("passages").querySelector("ol").replaceChildren(...row.passages.map((text) => make("li", text)));
    showGrades();
    window.scrollTo(0, 0);
    at("question").focus({ preventScroll: true });
  };

  const grade = (index, label) => {
    given[place][index] = label;
    unsaved = true;
    keep();
    if (graded(given[place])) show(place + 1); else { showGrades(); tell(); }
  };

  // As the sheet is written: every cell quoted, so that no text ends a row.
  const save = () => {
    const quoted = (cells) => cells.map((text) => `"${text.replaceAll('"', '""')}"`).join(",");
    const name = at("name").value.trim();
    const rows = data.rows.map((row, index) => {
      const cells = [...row.cells];
      data.criteria.forEach((each, which) => { cells[each.column] = given[index][which] ?? ""; });
      cells[data.columns.indexOf("annotator")] = name;
      return quoted(cells);
    });
    const file = new Blob([`\ufeff${[quoted(data.columns), ...rows].join("\r\n")}\r\n`], { type: "text/csv" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `labels-${name.replace(/[^\p{L}\p{N}]+/gu, "_") || "nobody"}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    unsaved = false;
    at("note").textContent = `Saved ${link.download}: ${count()} of ${data.rows.length} answers.`;
  };

  at("start").addEventListener("submit", (event) => {
    event.preventDefault();
    recall();
    const first = given.findIndex((row) => !graded(row));
    show(first < 0 ? data.rows.length : first);
  });
  at("back").addEventListener("click", () => show(place - 1));
  at("next").addEventListener("click", () => show(place + 1));
  at("save").addEventListener("click", save);
  window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
  document.addEventListener("keydown", (event) => {
    if (place < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "ArrowLeft" || key === "Backspace") show(place - 1);
    else if (key === "ArrowRight") show(place + 1);
    else if (key === "s") save();
    else if (place === data.rows.length) return;
    else if (key === "p") at("passages").open = !at("passages").open;
    else {
      // What is graded already is graded anew, from its first criterion on.
      const again = graded(given[place]), index = again ? 0 : criterion();
      const found = data.criteria[index].labels.find(([each]) => each === key);
      if (again && (found || key === "n")) given[place].fill(null);
      if (key === "n") grade(index, NO_GRADE);
      else if (found) grade(index, found[1]);
      else return;
    }
    event.preventDefault();
  });

  tell();
  at("name").focus();
})();
