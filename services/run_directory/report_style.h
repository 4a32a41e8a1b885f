// Style and script of report.html. The script only shows values under the pointer; without it the
// page is complete.
#ifndef TPO_SERVICES_RUN_DIRECTORY_REPORT_STYLE_H_
#define TPO_SERVICES_RUN_DIRECTORY_REPORT_STYLE_H_

namespace tpo {

inline constexpr char kReportStyle[] = R"css(
:root{color-scheme:light dark;--page:#f6f6f4;--card:#fff;--ink:#14150f;--soft:#5d5e57;--rule:#e3e2dc;--c0:#2a6fd0;--c1:#d9622b;--c2:#2e8b57;
--good:#1d7a46;--bad:#b3261e;--tip:#14150f;--tipink:#fff}
@media(prefers-color-scheme:dark){:root{--page:#141513;--card:#1d1e1b;--ink:#f0efe9;--soft:#a3a49b;--rule:#33342f;--c0:#6ba6f5;--c1:#f28a54;--c2:#5fc08b;
--good:#6fcf97;--bad:#ff8a80;--tip:#f0efe9;--tipink:#14150f}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:22px;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:17px;margin:32px 0 10px}
p.lead{margin:4px 0 18px;color:var(--soft)}
.status{font-weight:600;color:var(--ink)}.status.finished{color:var(--good)}.status.failed{color:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(118px,1fr));gap:10px;margin:0}
.tiles div,.card,details,.group{background:var(--card);border:1px solid var(--rule);border-radius:8px}
.tiles div{padding:9px 12px}
.tiles dt{color:var(--soft);font-size:12.5px}
.tiles dd{margin:0;font-size:19px;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr));gap:12px}
.card{padding:12px 12px 6px;position:relative;margin:0}
.card h3{font-size:14px;margin:0}.card h3 small{font-weight:400;color:var(--soft);font-size:12.5px}
.head{display:flex;justify-content:space-between;align-items:baseline;gap:8px}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:12.5px;color:var(--soft);min-height:20px;margin-bottom:2px}
.legend i{display:inline-block;width:14px;height:0;border-top:2.5px solid;margin-right:5px;vertical-align:middle}
svg{display:block;width:100%;height:auto;touch-action:pan-y}
.grid{stroke:var(--rule);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}
.tick{fill:var(--soft);font-size:11px;font-variant-numeric:tabular-nums}
.line{fill:none;stroke-width:1.5;stroke-linejoin:round;stroke-linecap:round}
.line.faint{stroke-width:1;opacity:.38}.legend .faint{opacity:.5;border-top-width:1.5px}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}
.legend .c0{border-color:var(--c0)}.legend .c1{border-color:var(--c1)}.legend .c2{border-color:var(--c2)}
.cursor{stroke:var(--soft);stroke-width:1;visibility:hidden}
.tip{position:absolute;pointer-events:none;display:none;background:var(--tip);color:var(--tipink);border-radius:5px;padding:4px 8px;font-size:12px;
line-height:1.4;white-space:nowrap;font-variant-numeric:tabular-nums;z-index:1}
.choice{font-size:12.5px;color:var(--soft);white-space:nowrap}.choice input{vertical-align:-2px}
.card .log{display:none}.card:has(.choice input:checked) .log{display:block}.card:has(.choice input:checked) .linear{display:none}
details{margin:0 0 10px;padding:0 14px}summary{cursor:pointer;padding:10px 0;font-weight:600}
table{border-collapse:collapse;width:100%;font-size:13.5px;margin-bottom:12px}
td,th{text-align:left;padding:4px 10px 4px 0;border-top:1px solid var(--rule);vertical-align:top;overflow-wrap:anywhere}
td:first-child{color:var(--soft);width:45%}
.group{padding:12px 14px;margin:0 0 12px}
.group dl{display:grid;grid-template-columns:auto 1fr;gap:2px 12px;margin:0 0 8px;font-size:13.5px}
.group dt{color:var(--soft)}.group dd{margin:0}
code{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere;white-space:pre-wrap}
.completion{display:grid;grid-template-columns:minmax(0,1fr) 118px minmax(140px,420px);gap:4px 14px;align-items:center;border-top:1px solid var(--rule);padding:6px 0}
.figures{font-size:12.5px;color:var(--soft);font-variant-numeric:tabular-nums}.figures b{color:var(--ink);font-weight:600}
.bar{display:grid;grid-template-columns:1fr 50px;gap:6px;align-items:center;font-size:11.5px;line-height:1.25;color:var(--soft);font-variant-numeric:tabular-nums}
.bar span{display:block;height:7px;border-radius:0 3px 3px 0;min-width:1px}.bar .old{background:var(--c1)}.bar .target{background:var(--c0)}
.key i{display:inline-block;width:14px;height:7px;border-radius:2px;margin:0 5px 0 12px}
@media(max-width:640px){.completion{grid-template-columns:minmax(0,1fr)}main{padding:16px 12px 48px}td:first-child{width:50%}}
@media print{.choice{display:none}body{background:#fff}.card,.group{break-inside:avoid}}
)css";

inline constexpr char kReportScript[] = R"js(
for (const svg of document.querySelectorAll('svg')) {
  const lines = [...svg.querySelectorAll('.line')].map(path => ({
    name: path.dataset.name,
    points: path.dataset.points.split(' ').filter(p => p).map(p => p.split(',').map(Number)),
  })).filter(line => line.points.length);
  const tip = svg.closest('.card').querySelector('.tip'), cursor = svg.querySelector('.cursor');
  const left = +svg.dataset.left, right = +svg.dataset.right;
  const first = +svg.dataset.first, last = +svg.dataset.last;
  const nearest = (points, step) => {
    let low = 0, high = points.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < step) low = middle; else high = middle;
    }
    return step - points[low][0] < points[high][0] - step ? points[low] : points[high];
  };
  const hide = () => { tip.style.display = 'none'; cursor.style.visibility = 'hidden'; };
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('pointermove', event => {
    const box = svg.getBoundingClientRect(), card = svg.closest('.card').getBoundingClientRect();
    const at = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    if (!lines.length || at < left - 5 || at > right + 5) return hide();
    const step = first + (at - left) / (right - left) * (last - first);
    const found = nearest(lines[lines.length - 1].points, step);
    const x = left + (found[0] - first) / (last - first) * (right - left);
    cursor.setAttribute('x1', x); cursor.setAttribute('x2', x);
    cursor.style.visibility = 'visible';
    tip.replaceChildren();
    for (const text of [`step ${found[0]}`,
                        ...lines.map(line => `${line.name}: ${nearest(line.points, found[0])[1]}`)]) {
      const row = document.createElement('div'); row.textContent = text; tip.append(row);
    }
    tip.style.display = 'block';
    const px = box.left - card.left + x * box.width / svg.viewBox.baseVal.width;
    const flip = px + tip.offsetWidth + 16 > card.width;
    tip.style.left = (flip ? Math.max(4, px - tip.offsetWidth - 10) : px + 10) + 'px';
    tip.style.top = (box.top - card.top + 12) + 'px';
  });
}
)js";

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_REPORT_STYLE_H_
