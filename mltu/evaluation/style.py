"""How the report looks: one style sheet for light and dark, wide and narrow screens."""

CSS = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1c2430; --soft: #5c6877; --line: #dfe4ea;
  --accent: #2563c9; --track: #e8ecf1; --band: #b9cdf0;
  --right: #2f9e6e; --case: #8fa3c4; --near: #e3a93a; --wrong: #cf5340; --broken: #77808c;
  --mark: #fbdcd6; --mark-line: #cf5340;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161c; --card: #1a2028; --ink: #e4e9ef; --soft: #98a4b3; --line: #2b343f;
    --accent: #7aa7f2; --track: #2a323d; --band: #35507f;
    --right: #45b585; --case: #6f86ad; --near: #d9a441; --wrong: #e0705e; --broken: #8a94a1;
    --mark: #57281f; --mark-line: #e98a7a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 .25rem; }
p { margin: 0 0 .75rem; }
.soft, figcaption, footer { color: var(--soft); }
.soft, figcaption { font-size: .9rem; max-width: 46rem; }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  padding: 1.25rem 1.4rem; margin: 1.1rem 0;
}
footer { font-size: .85rem; margin-top: 1.5rem; }

.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem;
  margin: 1.3rem 0 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  padding: .9rem 1.2rem; }
.tile b { display: block; font-size: 2rem; line-height: 1.2; font-weight: 650;
  letter-spacing: -.02em; }
.tile span { color: var(--soft); font-size: .9rem; }

.parts { display: flex; height: 1.1rem; border-radius: 6px; overflow: hidden; gap: 2px;
  margin: .8rem 0; }
.parts i { min-width: 3px; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: 0; padding: 0;
  list-style: none; font-size: .92rem; }
.legend i { display: inline-block; width: .75rem; height: .75rem; border-radius: 3px;
  margin-right: .45rem; }
.right { background: var(--right); } .case { background: var(--case); }
.near { background: var(--near); } .wrong { background: var(--wrong); }
.broken { background: var(--broken); }

table { border-collapse: collapse; width: 100%; font-size: .95rem; }
th, td { text-align: left; padding: .45rem .8rem .45rem 0; border-top: 1px solid var(--line);
  vertical-align: top; }
thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: .85rem; }
tbody th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
.figures td.number { font-weight: 600; }
.figures .number { padding-right: 1.3rem; }
.bar { display: block; width: 9rem; height: .6rem; margin-top: .45rem; border-radius: 4px;
  background: var(--track); }
.bar .band { fill: var(--band); } .bar .value { fill: var(--accent); }

.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr));
  gap: 0 2.2rem; align-items: start; }
.columns table { table-layout: fixed; }
.glyph { font: 600 1.05rem/1.3 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.none { color: var(--soft); font: italic .9rem/1.5 system-ui, sans-serif; }

.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr));
  gap: 1.2rem 2rem; margin: .6rem 0 1rem; }
figure { margin: 0; }
svg { display: block; width: 100%; height: auto; max-width: 30rem; }
svg text { fill: var(--soft); font-size: 11px; }
svg .axis { fill: var(--ink); font-size: 12px; }
svg .grid { stroke: var(--line); }
svg .ideal { stroke: var(--soft); stroke-dasharray: 5 4; }
svg .whisker { stroke: var(--accent); stroke-width: 2; opacity: .45; }
svg .dot { fill: var(--accent); stroke: var(--card); stroke-width: 1.5; }
svg .curve { fill: none; stroke: var(--accent); stroke-width: 2.5; stroke-linejoin: round; }

.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(15.5rem, 1fr));
  gap: .8rem; margin-top: .9rem; }
article { border: 1px solid var(--line); border-radius: 10px; overflow: hidden; min-width: 0; }
.picture { display: flex; align-items: center; justify-content: center; height: 5.2rem;
  padding: .5rem; background: var(--track); }
.picture img { width: 100%; height: 100%; object-fit: contain; }
.picture span { font-size: .8rem; color: var(--soft); overflow: auto; max-height: 100%;
  overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .1rem .7rem; margin: 0;
  padding: .6rem .8rem; }
dt { color: var(--soft); font-size: .8rem; line-height: 1.7rem; }
dd { margin: 0; max-height: 8.5rem; overflow: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; font: 1.05rem/1.7rem ui-monospace, "DejaVu Sans Mono", Menlo, Consolas,
  monospace; }
.note { margin: 0; padding: 0 .8rem; color: var(--soft); font-size: .8rem;
  overflow-wrap: anywhere; }
.note:last-child { padding-bottom: .6rem; }
mark { background: var(--mark); color: inherit; border-radius: 3px;
  box-shadow: inset 0 -2px var(--mark-line); }
.errors { table-layout: fixed; }
.errors td { overflow-wrap: anywhere; }
.errors th:nth-child(1) { width: 32%; } .errors th:nth-child(2) { width: 22%; }

@media (max-width: 40rem) {
  main { padding: 1.1rem .7rem 2rem; }
  section { padding: 1rem .9rem; border-radius: 12px; }
  .figures thead { display: none; }
  .figures tr { display: grid; grid-template-columns: 1fr auto; padding: .6rem 0;
    border-top: 1px solid var(--line); }
  .figures th, .figures td { border: 0; padding: 0; }
  .figures .number { padding-right: 0; }
  .figures td.wide { grid-column: 1 / -1; }
  .figures td.interval { color: var(--soft); }
  .figures .bar { margin: .4rem 0 .5rem; }
  .columns table + table thead { display: none; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .tile b { font-size: 1.6rem; }
  .cards { grid-template-columns: 1fr; }
}
@media print { section, article { break-inside: avoid; } body { background: none; } }
"""
