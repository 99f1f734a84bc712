#include "emulation/explorer/crash_html.h"

namespace nacre {

const std::string_view kReportStyle = R"css(
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2330;--soft:#5b6676;--line:#dde2e9;
--good:#1a7f4b;--bad:#c2323a;--warn:#a86400;--kept:#2563c4;--run:#3f7ae0;--all:#c9d8f5;--order:#7a4fd0;
--mark:#ffe2a8;--code:#f0f2f6}
@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1a2029;--ink:#e4e9f0;--soft:#97a3b4;
--line:#2e3744;--good:#4cc38a;--bad:#ff7b80;--warn:#e8a94a;--kept:#7fb0ff;--run:#5b93f5;--all:#2b3d5e;
--order:#b69af5;--mark:#6a4b12;--code:#232b36}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:22px;margin:0 0 2px;display:flex;gap:12px;align-items:center;flex-wrap:wrap}
h2{font-size:17px;margin:34px 0 10px}
p{margin:4px 0}.soft{color:var(--soft)}
.badge{color:#fff;border-radius:6px;padding:3px 11px;font-size:15px;letter-spacing:.04em}
@media(prefers-color-scheme:dark){.badge{color:#12161c}}
.EXHAUSTIVE{background:var(--good)}.BOUNDED{background:var(--warn)}
.FAILED,.INCONCLUSIVE{background:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:20px 0 0}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:9px;padding:12px 15px}
.tile b{display:block;font-size:21px;font-weight:600;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:13px}
.card{margin:0 0 14px;overflow-x:auto}
.card.failed{border-left:4px solid var(--bad)}
.message{font-size:16px;font-weight:600;color:var(--bad)}
code,.hex,.site{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:13px}
code.block{display:block;background:var(--code);border-radius:6px;padding:8px 11px;margin-top:8px;
overflow-wrap:anywhere}
.granule{border-top:1px solid var(--line);margin-top:13px;padding-top:11px}
.tag{display:inline-block;min-width:58px;text-align:center;border-radius:5px;font-size:12px;
font-weight:700;letter-spacing:.05em;padding:1px 7px;margin-right:8px;border:1.5px solid}
.LOST{color:var(--bad)}.KEPT{color:var(--kept)}.PART{color:var(--warn)}
.mend{background:var(--code);border-left:3px solid var(--good);padding:5px 10px;margin:7px 0;
border-radius:0 6px 6px 0}
.from{color:var(--soft);padding-left:2.2em;display:block}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th{color:var(--soft);font-weight:500;text-align:left}
th,td{padding:4px 10px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right}
table.hex{width:auto;margin-top:6px}table.hex td{border:0;padding:0 14px 0 0;white-space:pre;line-height:1.55}
.hex mark{background:var(--mark);color:inherit;border-radius:2px}.hex i{color:var(--line);font-style:normal}
tr.failed td{background:color-mix(in srgb,var(--bad) 12%,transparent)}
tr.order td:nth-child(3){color:var(--order);font-weight:600}
tr.lost td{background:color-mix(in srgb,var(--bad) 14%,transparent)}
tr.kept td{background:color-mix(in srgb,var(--kept) 14%,transparent)}
details summary{cursor:pointer;font-size:17px;font-weight:700;margin:34px 0 10px}
svg{display:block}svg text{fill:var(--ink);font:12px system-ui,"DejaVu Sans",sans-serif}
svg .soft{fill:var(--soft)}svg .all{fill:var(--all)}svg .run{fill:var(--run)}
svg .op{fill:var(--code);stroke:var(--line)}svg .store{stroke:var(--soft);stroke-width:1;opacity:.55}
svg .order{stroke:var(--order);stroke-width:2}svg .flush{stroke:var(--warn);stroke-width:1.5}
svg .axis{stroke:var(--line)}svg .point{fill:var(--run)}svg .shut{fill:var(--card);stroke:var(--soft)}
svg .failed{fill:var(--bad)}svg .fall{stroke:var(--bad);stroke-width:1.2;stroke-dasharray:3 3}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;color:var(--soft);font-size:13px;margin-top:8px}
.key i{display:inline-block;width:11px;height:11px;margin-right:6px;border-radius:2px;vertical-align:-1px}
)css";

}  // namespace nacre
