"use strict";
// The list of questions. Every text is set as text, never as HTML: answers are hostile.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const section = document.getElementById("questions");
  const tools = section.querySelector("form");
  const body = section.querySelector("tbody");
  const status = section.querySelector(".count");
  const more = section.querySelector(".more");
  const change = section.querySelector(".by");
  const names = [...section.querySelectorAll("thead th")].slice(1, -1).map((cell) => cell.textContent);
  const sides = [...document.querySelectorAll("#metrics thead th")].slice(1, 3).map((cell) => cell.textContent);
  const AT_ONCE = 100;
  const TIE = 1e-9;

  const make = (tag, text, kind) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };
  const shown = (value) => (value === null ? "–" : value.toFixed(2).replace("-", "−"));
  const signed = (value) => {
    if (value === null) return "–";
    const text = Math.abs(value).toFixed(2);
    return Number(text) === 0 ? text : (value < 0 ? "−" : "+") + text;
  };
  const sort = {
    asked: () => 0,
    loss: (a, b) => (a.g ?? Infinity) - (b.g ?? Infinity),
    gain: (a, b) => (b.g ?? -Infinity) - (a.g ?? -Infinity),
    low: (a, b) => Math.min(...a.v.s.map((s) => s ?? -1)) - Math.min(...b.v.s.map((s) => s ?? -1)),
  };
  const is = {
    all: () => true,
    worse: (each) => each.g !== null && each.g < -TIE,
    better: (each) => each.g !== null && each.g > TIE,
    equal: (each) => each.g !== null && Math.abs(each.g) <= TIE,
    unscored: (each) => [...each.b.s, ...each.v.s].some((score) => score === null),
  };

  // Marks the words of `text` that are not part of the longest common sequence with `other`.
  const marked = (text, other, kind) => {
    const paragraph = make("p", undefined, kind);
    paragraph.dir = "auto";
    const a = text.split(/(\s+)/), b = other.split(/\s+/);
    if (!text) { paragraph.append(make("span", "(no answer)")); return paragraph; }
    if (a.length > 600 || b.length > 600) { paragraph.textContent = text; return paragraph; }
    const words = a.filter((_, index) => index % 2 === 0);
    const table = Array.from({ length: words.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = words.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        table[i][j] = words[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    for (let i = 0, j = 0; i < words.length; i++) {
      while (j < b.length && words[i] !== b[j] && table[i][j] === table[i][j + 1]) j++;
      const same = j < b.length && words[i] === b[j];
      if (same) j++;
      paragraph.append(same || !words[i] ? document.createTextNode(words[i]) : make("mark", words[i]));
      if (a[2 * i + 1]) paragraph.append(a[2 * i + 1]);
    }
    return paragraph;
  };

  const answer = (each, side, other, title, kind) => {
    const box = make("div");
    box.append(make("h4", title), marked(side.t, other.t, kind));
    if (side.c) box.append(make("p", "Cut off at the length limit.", "score"));
    data.criteria.forEach((_, index) => {
      const line = make("p", `${names[index]} ${side.s[index] === null ? "unscored" : shown(side.s[index])} `, "score");
      if (side.w && side.w[index]) { const why = make("span", side.w[index]); why.dir = "auto"; line.append(why); }
      box.append(line);
    });
    return box;
  };

  const detail = (each) => {
    const row = make("tr", undefined, "detail");
    const cell = make("td");
    cell.colSpan = names.length + 2;
    const answers = make("div", undefined, "answers");
    answers.append(answer(each, each.b, each.v, sides[0], "left"), answer(each, each.v, each.b, sides[1], "right"));
    cell.append(answers, make("h4", each.r.length > 1 ? "Accepted answers" : "Accepted answer"));
    each.r.forEach((text) => { const line = make("p", text); line.dir = "auto"; cell.append(line); });
    const known = make("details", undefined, "passages");
    if (each.p) {
      known.append(make("summary", each.p.length === 1 ? "The passage both were given" : `The ${each.p.length} passages both were given`));
      const list = make("ol");
      each.p.forEach((number) => { const item = make("li", data.passages[number]); item.dir = "auto"; list.append(item); });
      known.append(list);
    } else known.append(make("summary", "The passages are left out of this file"));
    cell.append(known, make("p", `Question ${each.id}${each.k ? `, ${each.k}` : ""}`, "small"));
    row.append(cell);
    return row;
  };

  const line = (each) => {
    const row = make("tr");
    const first = make("td");
    const button = make("button", undefined, "open");
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    const text = make("span", each.q);
    text.dir = "auto";
    button.append(text);
    first.append(button);
    row.append(first);
    data.criteria.forEach((_, index) => {
      const cell = make("td", `${shown(each.b.s[index])} → ${shown(each.v.s[index])}`);
      cell.dataset.name = names[index];
      row.append(cell);
    });
    const last = make("td", signed(each.g), each.g === null || Math.abs(each.g) <= TIE ? "" : each.g < 0 ? "worse" : "better");
    last.dataset.name = "Change";
    row.append(last);
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(open));
      if (open) row.after(detail(each));
      else if (row.nextSibling && row.nextSibling.className === "detail") row.nextSibling.remove();
    });
    return row;
  };

  let chosen = [], drawn = 0;
  const draw = (count) => {
    const rows = document.createDocumentFragment();
    chosen.slice(drawn, drawn + count).forEach((each) => rows.append(line(each)));
    drawn = Math.min(chosen.length, drawn + count);
    body.append(rows);
    more.hidden = drawn === chosen.length;
    more.querySelector("button").textContent = `Show ${Math.min(AT_ONCE, chosen.length - drawn)} more of ${chosen.length - drawn}`;
  };
  const update = () => {
    const wanted = tools.elements.find.value.trim().toLocaleLowerCase();
    const order = tools.elements.sort.value;
    chosen = data.questions.filter((each) => is[tools.elements.show.value](each) &&
      (!wanted || [each.q, each.b.t, each.v.t, each.id, each.k, ...each.r].some((text) => text.toLocaleLowerCase().includes(wanted))));
    chosen.sort(sort[order]);
    const direction = { loss: "ascending", gain: "descending" }[order];
    if (direction) change.parentNode.setAttribute("aria-sort", direction);
    else change.parentNode.removeAttribute("aria-sort");
    status.textContent = chosen.length === 0 ? "No question is like that." : `${chosen.length.toLocaleString("en")} of ${data.questions.length.toLocaleString("en")} questions. Select one to read both answers; words that the other side does not have are underlined.`;
    body.replaceChildren();
    drawn = 0;
    draw(AT_ONCE);
  };
  tools.addEventListener("input", update);
  tools.addEventListener("submit", (event) => event.preventDefault());
  change.addEventListener("click", () => {
    tools.elements.sort.value = tools.elements.sort.value === "loss" ? "gain" : "loss";
    update();
  });
  more.querySelector("button").addEventListener("click", () => draw(AT_ONCE));
  window.addEventListener("beforeprint", () => draw(chosen.length));
  tools.querySelectorAll("output").forEach((output) => {
    output.textContent = data.questions.filter(is[output.parentNode.querySelector("input").value]).length.toLocaleString("en");
  });
  update();
  const first = body.querySelector("button");
  if (first) first.click();
})();
