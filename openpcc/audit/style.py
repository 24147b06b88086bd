"""The style sheet of an audit's page: system fonts, light and dark, wide, narrow and printed."""

LIGHT = {
    "ink": "#1c2026",
    "soft": "#59616c",
    "paper": "#faf9f7",
    "card": "#ffffff",
    "line": "#e0ddd8",
    "pass": "#0b6b3a",
    "pass-tint": "#e3f3e9",
    "fail": "#a8142a",
    "fail-tint": "#fce8e8",
    "skip": "#7a4f00",
    "skip-tint": "#fbf0d5",
    "none": "#59616c",
    "none-tint": "#efedea",
}
"""Name to colour; a test holds text against its ground."""

DARK = {
    "ink": "#e7e9ec",
    "soft": "#a4acb7",
    "paper": "#111418",
    "card": "#191d23",
    "line": "#2f353d",
    "pass": "#6ad79a",
    "pass-tint": "#12301f",
    "fail": "#ff938c",
    "fail-tint": "#3b1719",
    "skip": "#f0c25a",
    "skip-tint": "#36290c",
    "none": "#a4acb7",
    "none-tint": "#23282f",
}


def _palette(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


STYLE = (
    f":root{{color-scheme:light dark;{_palette(LIGHT)}}}\n"
    f"@media (prefers-color-scheme:dark){{:root{{{_palette(DARK)}}}}}\n"
    f"@media print{{:root{{color-scheme:light;{_palette(LIGHT)}--paper:#fff}}}}\n"
    + """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: auto; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere; }
header, main, footer { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
p { margin: 0; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: .2em; }
a:hover { text-decoration-color: currentColor; }
a:focus-visible, summary:focus-visible { outline: 2px solid currentColor; outline-offset: 3px;
  border-radius: 2px; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.pass { --tone: var(--pass); --tint: var(--pass-tint); }
.fail { --tone: var(--fail); --tint: var(--fail-tint); }
.skip { --tone: var(--skip); --tint: var(--skip-tint); }
.none { --tone: var(--none); --tint: var(--none-tint); }

.simulated { background: var(--skip-tint); color: var(--skip); text-align: center;
  padding: .7rem 1.25rem; border-bottom: 3px double currentColor; }
.simulated strong { letter-spacing: .08em; }

header { padding-top: 2.5rem; }
.over { color: var(--soft); font-size: .9rem; }
h1 { display: flex; align-items: center; gap: .35em; margin: .2rem 0 .1rem; color: var(--tone);
  font-size: clamp(2.4rem, 9vw, 4rem); line-height: 1.1; font-weight: 700;
  letter-spacing: -.02em; }
h1 .mark { flex: none; display: inline-grid; place-items: center; width: 1.15em; height: 1.15em;
  border-radius: 50%; background: var(--tint); border: 2px solid currentColor;
  font-size: .72em; line-height: 1; }
.lead { font-size: 1.2rem; line-height: 1.45; max-width: 44rem; }
.about { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1.25rem;
  margin: 1.1rem 0 0; font-size: .95rem; }
.about dt { color: var(--soft); } .about dd { margin: 0; }
.why { border-left: 4px solid var(--tone); background: var(--tint); margin: 1.5rem 0 0;
  padding: .8rem 1.1rem; border-radius: 0 .5rem .5rem 0; }
.why h2 { font-size: 1rem; margin: 0 0 .3rem; color: var(--tone); }
.why ul { margin: 0; padding-left: 1.1rem; } .why li + li { margin-top: .35rem; }

.chain { margin: 2.25rem 0 0; padding: 1.25rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem; }
.chain figcaption { color: var(--soft); font-size: .9rem; margin-bottom: 1rem; }
.chain svg { display: block; width: 100%; height: auto; }
.chain .narrow { display: none; max-width: 19rem; }
.chain circle { fill: var(--tint); stroke: var(--tone); stroke-width: 2; }
.chain line { stroke: var(--tone); stroke-width: 2; stroke-linecap: round; }
.chain line.none { stroke-dasharray: 1 6; } .chain line.fail { stroke-dasharray: 8 7; }
.chain text { fill: var(--ink); font-size: 15px; }
.chain .wide text, .chain .sign { text-anchor: middle; }
.chain .name { font-weight: 600; }
.chain text.word { fill: var(--tone); font-size: 13px; }
.chain text.sign { fill: var(--tone); font-size: 20px; font-weight: 700; }

nav { margin: 2rem 0 0; font-size: .95rem; }
nav h2 { font-size: .9rem; font-weight: 500; color: var(--soft); margin: 0 0 .4rem; }
nav ol { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: .3rem .5rem; }
nav li { border: 1px solid var(--line); background: var(--card); border-radius: 1rem;
  padding: .1rem .75rem; }
nav b { color: var(--tone); }

section { margin: 2.75rem 0 0; }
section > h2 { font-size: 1.35rem; line-height: 1.3; margin: 0; letter-spacing: -.01em; }
.soft:empty { display: none; }
.soft { color: var(--soft); font-size: .95rem; }
.facts { display: grid; grid-template-columns: fit-content(14rem) minmax(0, 1fr);
  gap: .2rem 1.25rem; margin: .75rem 0 0; font-size: .9rem; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; grid-column: 2; font-variant-numeric: tabular-nums; }
.findings { list-style: none; margin: 1rem 0 0; padding: 0; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem; overflow: clip; }
.finding { display: grid; grid-template-columns: 5.75rem minmax(0, 1fr); gap: 0 1rem;
  padding: .75rem 1.1rem; overflow: clip; }
.finding + .finding { border-top: 1px solid var(--line); }
.finding.fail { background: var(--fail-tint); }
.finding.fail .soft, .finding.fail dt, .finding.fail summary { color: var(--ink); }
.outcome { color: var(--tone); font-size: .8rem; font-weight: 700; letter-spacing: .04em;
  line-height: 1.55rem; white-space: nowrap; }
.outcome span { display: inline-grid; place-items: center; width: 1.35rem; height: 1.35rem;
  margin-right: .4rem; border-radius: 50%; background: var(--tint); letter-spacing: 0; }
.finding.fail .outcome span { background: var(--card); }
.finding code { font-size: .82rem; }
.id { color: var(--soft); margin-left: .35rem; white-space: nowrap; }
.finding.fail .id { color: var(--ink); }
.told { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem .9rem;
  margin: .3rem 0 0; font-size: .9rem; }
.told dt { color: var(--soft); } .told dd { margin: 0; }
details { margin: .4rem 0 0; font-size: .9rem; }
summary { cursor: pointer; color: var(--soft); width: fit-content; }
h3 { font-size: .85rem; font-weight: 600; margin: .7rem 0 .2rem; }
pre { margin: 0; padding: .6rem .8rem; background: var(--none-tint); color: var(--ink);
  border-radius: .4rem; font-size: .75rem; line-height: 1.5; overflow-x: auto; width: fit-content;
  max-width: 100%; }
footer { margin-top: 3.5rem; padding-top: 1.25rem; padding-bottom: 3rem;
  border-top: 1px solid var(--line); color: var(--soft); font-size: .85rem; }

@media (max-width: 46rem) {
  .chain .wide { display: none; } .chain .narrow { display: block; }
}
@media (max-width: 34rem) {
  header, main, footer { padding-left: 1rem; padding-right: 1rem; }
  header { padding-top: 1.5rem; }
  .finding { grid-template-columns: minmax(0, 1fr); padding: .7rem .9rem; }
  .about, .facts, .told { grid-template-columns: 5.6rem minmax(0, 1fr); gap: .15rem .75rem; }
  .id { margin-left: 0; display: block; }
}
@media print {
  body { font-size: 10.5pt; } .finding, .chain, .why { break-inside: avoid; }
  section > h2 { break-after: avoid; } nav { display: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
)
"""The whole of it."""
