"""The look of the HTML report and its only script, which sorts tables."""

from __future__ import annotations

STYLE = """
:root { --ground: #fbfbfa; --card: #ffffff; --ink: #1c2024; --soft: #60656c; --line: #dfe1e5;
  --good: #1a7f4b; --bad: #c4281c; --maybe: #946200; --noise: #9aa4b2; --error: #2f5fd0; --limit: #c77d0a; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14161a; --card: #1b1e24; --ink: #e7e9ec; --soft: #9aa1ab; --line: #31363f;
    --good: #4cc38a; --bad: #ff7a6b; --maybe: #e5b454; --noise: #6b7482; --error: #7ea6ff; --limit: #e0a458; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; line-height: 1.2; margin: 4px 0; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 8px; } h3 { font-size: 15px; margin: 20px 0 4px; }
p { margin: 0 0 12px; } header p { color: var(--soft); overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 20px; margin-top: 20px; }
section > p { color: var(--soft); max-width: 76ch; }
.verdict { display: inline-block; font-weight: 600; color: var(--card) !important; padding: 2px 12px; border-radius: 99px; }
.verdict.proven { background: var(--good); } .verdict.failed { background: var(--bad); }
.verdict.unproven { background: var(--maybe); }
.facts { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 0; }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 16px; flex: 1 1 130px; }
dt { color: var(--soft); font-size: 13px; } dd { margin: 0; font-size: 21px; font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; overflow-wrap: anywhere;
  margin: 0; padding: 14px; background: var(--ground); border-radius: 6px; font-size: 13px; }
.wide { overflow: auto; max-height: 560px; margin-top: 12px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { position: sticky; top: 0; background: var(--card); text-align: left; white-space: nowrap; }
th button { all: unset; cursor: pointer; font-weight: 600; padding: 6px 0; }
th button:focus-visible { outline: 2px solid var(--error); } th button::after { content: " \\2195"; color: var(--soft); }
th[aria-sort=ascending] button::after { content: " \\2191"; } th[aria-sort=descending] button::after { content: " \\2193"; }
td, th { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); }
.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font: 12.5px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
tr.fail td { color: var(--bad); font-weight: 600; } tr.no-proof td { color: var(--maybe); }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 11px; }
svg .axis { stroke: var(--line); } svg .noise { stroke: var(--noise); fill: none; stroke-width: 1.5; }
svg .limit { stroke: var(--limit); fill: none; stroke-width: 1.5; stroke-dasharray: 5 3; }
svg .error { fill: var(--error); } svg .error.fail { fill: var(--bad); }
svg .line { stroke: var(--error); fill: none; stroke-width: 1.5; }
svg .other { stroke: var(--limit); fill: none; stroke-width: 1.5; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 16px; }
figure { margin: 0; } figcaption { font-size: 12.5px; color: var(--soft); overflow-wrap: anywhere; }
ol, ul { margin: 4px 0 0; padding-left: 24px; }
"""

SCRIPT = """
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.closest("th"), table = head.closest("table"), column = [...head.parentNode.children].indexOf(head);
  const up = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up > 0 ? "ascending" : "descending");
  const value = row => { const text = row.children[column].textContent, number = parseFloat(text);
    return row.children[column].className === "number" ? (isNaN(number) ? -Infinity : number) : text; };
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => { const x = value(a), y = value(b); return up * (x < y ? -1 : x > y ? 1 : 0); });
  table.tBodies[0].append(...rows);
});
"""
