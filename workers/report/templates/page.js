"use strict";
// The table of everything that is not Clean. Rows are hostile text: they are set as text nodes, never as markup.
(() => {
  const PAGE_ROWS = 200; // in the document at once
  const PRINTED_ROWS = 5000;
  const AT_ONCE = 5000; // above this many rows, typing is waited for
  const SHOWN_FINDINGS = 3;
  const SEVERITY = ["Infected", "Error", "Unscannable", "InfectedAllowed", "Skipped", "Gone", "Clean"];

  const element = (id) => document.getElementById(id);
  const rows = JSON.parse(element("data").textContent).map((cells) => {
    const [bucket, key, version, size, verdict, reason, detail, findings, findingCount, action, target, outcome, notes] = cells;
    return { bucket, key, version, size, verdict, reason, detail, findings, findingCount, action, target, outcome, notes };
  });

  let shown = rows;
  let first = 0;
  let sort = "verdict";
  let ascending = true;

  // What a reader can't see or what turns the text round (bidirectional controls) is spelled out.
  const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufeff\ufff9-\ufffb]/g;

  function make(tag, className, ...children) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children);
    return node;
  }

  function plain(text) {
    const node = document.createElement("bdi");
    let from = 0;
    for (const match of text.matchAll(UNPRINTABLE)) {
      node.append(text.slice(from, match.index));
      const code = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      node.append(make("span", "unprintable", `U+${code}`));
      from = match.index + match[0].length;
    }
    node.append(text.slice(from));
    return node;
  }

  function sizeText(bytes) {
    if (bytes < 1024) return `${bytes} B`;
    const units = ["KiB", "MiB", "GiB", "TiB"];
    let value = bytes / 1024;
    let unit = 0;
    while (value >= 1023.95 && unit < units.length - 1) {
      value /= 1024;
      unit += 1;
    }
    return `${value.toFixed(1)} ${units[unit]}`;
  }

  function findingLine([member, threat, engine]) {
    const line = make("p", "finding", make("span", "threat", plain(threat)), make("span", "small", ` ${engine}`));
    if (member) line.append(make("span", "small", " in "), make("span", "key", plain(member)));
    return line;
  }

  function noteLine([member, rule, engine]) {
    const line = make("p", "finding small", "note: ", plain(rule), ` ${engine}`);
    if (member) line.append(" in ", make("span", "key", plain(member)));
    return line;
  }

  function findingCell(row) {
    const cell = make("td");
    if (row.reason) {
      cell.append(make("p", "finding", plain(row.reason)));
      if (row.detail) cell.append(make("p", "finding small", plain(row.detail)));
    }
    const few = row.findings.slice(0, SHOWN_FINDINGS);
    cell.append(...few.map(findingLine));
    const rest = row.findings.slice(SHOWN_FINDINGS);
    if (rest.length > 0) {
      const more = make("details", "", make("summary", "", `${row.findingCount - few.length} more`), ...rest.map(findingLine));
      const left = row.findingCount - row.findings.length;
      if (left > 0) more.append(make("p", "finding small", `and ${left} more in findings.jsonl`));
      cell.append(more);
    }
    for (const note of row.notes) cell.append(noteLine(note));
    return cell;
  }

  function actionCell(row) {
    const cell = make("td");
    if (!row.action) {
      cell.append(make("span", "small", "none"));
      return cell;
    }
    const done = row.outcome === "done" || row.outcome === "gone";
    cell.append(`${row.action}: `, make("span", done ? "" : "failed", plain(row.outcome)));
    if (row.target) cell.append(make("p", "finding small key", "to ", plain(row.target)));
    return cell;
  }

  function rowLine(row) {
    const object = make("td", "", make("span", "key", plain(`${row.bucket}/`), plain(row.key)));
    object.append(make("p", "finding small", "version ", plain(row.version)));
    const size = make("td", "number", sizeText(row.size));
    size.title = `${row.size} bytes`;
    const line = make("tr", "", make("td", `verdict ${row.verdict}`, row.verdict), object, size, findingCell(row), actionCell(row));
    line.dataset.key = row.key;
    return line;
  }

  const count = (number) => number.toLocaleString("en-US");

  function draw(limit = PAGE_ROWS) {
    element("rows").replaceChildren(...shown.slice(first, first + limit).map(rowLine));
    element("shown-count").textContent = `${count(shown.length)} of ${count(rows.length)} rows`;
    const nothing = element("nothing");
    nothing.hidden = shown.length > 0;
    nothing.textContent = rows.length === 0 ? "Every object with a verdict is Clean." : "No row matches the filter.";
    element("pages").hidden = shown.length <= PAGE_ROWS;
    element("page").textContent = `${count(first + 1)} to ${count(Math.min(first + limit, shown.length))}`;
    element("page-before").disabled = first === 0;
    element("page-next").disabled = first + PAGE_ROWS >= shown.length;
  }

  function haystack(row) {
    row.text ??= [row.bucket + "/" + row.key, row.version, row.reason, row.detail, row.action, row.outcome, row.target]
      .concat(...row.findings, ...row.notes)
      .join("\n")
      .toLowerCase();
    return row.text;
  }

  const firstThreat = (row) => (row.findings.length > 0 ? row.findings[0][1] : row.reason || (row.notes[0]?.[1] ?? ""));
  const SORTS = {
    verdict: (row) => SEVERITY.indexOf(row.verdict),
    object: (row) => `${row.bucket}/${row.key}`,
    size: (row) => row.size,
    finding: firstThreat,
    action: (row) => `${row.action} ${row.outcome}`,
  };

  function apply() {
    const text = element("filter").value.trim().toLowerCase();
    const verdict = element("verdict-filter").value;
    shown = rows.filter((row) => (verdict === "" || row.verdict === verdict) && (text === "" || haystack(row).includes(text)));
    const by = SORTS[sort];
    const sign = ascending ? 1 : -1;
    const keyed = shown.map((row) => [by(row), row]);
    keyed.sort(([a], [b]) => (a < b ? -sign : a > b ? sign : 0)); // stable: equal rows keep their order
    shown = keyed.map(([, row]) => row);
    first = 0;
    draw();
  }

  let waiting;
  element("filter").addEventListener("input", () => {
    clearTimeout(waiting);
    if (rows.length <= AT_ONCE) apply();
    else waiting = setTimeout(apply, 150);
  });
  element("verdict-filter").addEventListener("change", apply);

  for (const button of document.querySelectorAll("#findings thead button")) {
    button.addEventListener("click", () => {
      ascending = button.dataset.sort === sort ? !ascending : true;
      sort = button.dataset.sort;
      for (const head of document.querySelectorAll("#findings thead th")) head.removeAttribute("aria-sort");
      button.closest("th").setAttribute("aria-sort", ascending ? "ascending" : "descending");
      apply();
    });
  }

  function turn(by) {
    first = Math.max(0, first + by);
    draw();
    element("findings").scrollIntoView();
  }
  element("page-before").addEventListener("click", () => turn(-PAGE_ROWS));
  element("page-next").addEventListener("click", () => turn(PAGE_ROWS));
  addEventListener("beforeprint", () => {
    first = 0;
    draw(PRINTED_ROWS);
  });
  addEventListener("afterprint", () => draw());

  const counts = new Map();
  for (const row of rows) counts.set(row.verdict, (counts.get(row.verdict) ?? 0) + 1);
  for (const verdict of SEVERITY.filter((name) => counts.has(name))) {
    const option = make("option", "", `${verdict} (${count(counts.get(verdict))})`);
    option.value = verdict;
    element("verdict-filter").append(option);
  }
  apply();
})();
