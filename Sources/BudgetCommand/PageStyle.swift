/// How the page looks: for narrow and wide windows, light and dark, like the report of stlm-pack.
let pageStyle: StaticString = """
    :root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--ink:#1b1f24;--soft:#5b6470;--line:#e1e4e8;--key:#0b5fc0;--keyback:#eaf2fd;
    --w1:#9b51c9;--w2:#d1403a;--w3:#ea8127;--w4:#c9a227;--w5:#72ad45;--w6:#2aa38f;--w8:#3584dd;--w0:#8d96a3;--wp:#e4e7eb}
    @media (prefers-color-scheme:dark){:root{--back:#111418;--card:#1a1e24;--ink:#e8eaed;--soft:#9aa4b1;--line:#2e343c;
    --key:#7db7ff;--keyback:#16263b;--w0:#7b8592;--wp:#343b44}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
    main{max-width:1040px;margin:0 auto;padding:24px 16px 48px}
    h1{font-size:1.5rem;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
    header p{margin:0 0 20px;color:var(--soft);overflow-wrap:anywhere}
    code{font:0.9em ui-monospace,"DejaVu Sans Mono",monospace}
    h2{font-size:1.05rem;margin:0 0 14px}
    section,.tile{background:var(--card);border:1px solid var(--line);border-radius:10px}
    section{padding:18px;margin-top:16px}
    .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px}
    .tile{padding:14px 16px}
    .tile h2{font-size:.85rem;font-weight:500;color:var(--soft);margin:0}
    .tile strong{display:block;font-size:1.6rem;line-height:1.3;font-variant-numeric:tabular-nums}
    .tile p{margin:0;font-size:.85rem;color:var(--soft)}
    .key{background:var(--keyback);border-color:var(--key)}
    .key strong{color:var(--key)}
    .over strong{color:var(--w2)}
    .note{margin:10px 0 0;font-size:.87rem;color:var(--soft);max-width:75ch}
    .w1{fill:var(--w1);background:var(--w1)}.w3{fill:var(--w3);background:var(--w3)}.w4{fill:var(--w4);background:var(--w4)}
    .w5{fill:var(--w5);background:var(--w5)}
    .w6{fill:var(--w6);background:var(--w6)}.w8{fill:var(--w8);background:var(--w8)}.w0{fill:var(--w0);background:var(--w0)}
    .wp{fill:var(--wp);background:var(--wp)}
    .strip,.bar{display:block;width:100%;border-radius:4px}
    .strip{height:44px}.bar{height:18px}
    .edge{stroke:var(--card);stroke-width:.8;vector-effect:non-scaling-stroke}
    .stop{stroke:var(--ink);stroke-width:3;vector-effect:non-scaling-stroke}
    .ends{display:flex;justify-content:space-between;margin:4px 0 14px;font-size:.8rem;color:var(--soft)}
    .bars{display:grid;grid-template-columns:max-content 1fr max-content;gap:7px 12px;align-items:center}
    .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
    small{color:var(--soft);font-size:.87em}
    .n small{display:inline-block;min-width:3.6em}
    .plot{display:block;width:100%;height:auto}
    .plot text{font-size:12px;fill:var(--ink)}
    .grid line{stroke:var(--line)}
    .plot .grid text,.plot .axis{fill:var(--soft)}
    .curve{fill:none;stroke-width:2}
    .int16{stroke:var(--w1)}.int8{stroke:var(--w8)}.int4{stroke:var(--w3)}
    .limit{stroke:var(--w2);stroke-width:2;stroke-dasharray:6 4}
    .here{stroke:var(--soft);stroke-dasharray:3 4}
    .mass{fill:var(--w8);fill-opacity:.16}
    .plot text.int16{fill:var(--w1);stroke:none}.plot text.int8{fill:var(--w8);stroke:none}.plot text.int4{fill:var(--w3);stroke:none}
    .plot text.limit{fill:var(--w2);stroke:none}
    .own{fill:var(--key);stroke:var(--card);stroke-width:1.5}
    .narrow{display:none}
    .scroll{overflow-x:auto}
    table{border-collapse:collapse;width:100%;max-width:560px;font-variant-numeric:tabular-nums;font-size:.9rem}
    th{font-weight:500;color:var(--soft);text-align:right;white-space:nowrap}
    td{text-align:right;white-space:nowrap}
    th,td{padding:4px 10px;border-bottom:1px solid var(--line)}
    th:first-child,td:first-child{text-align:left;padding-left:0}
    th:last-child,td:last-child{padding-right:0}
    td.part{padding-left:1.4em}
    @media (max-width:640px){main{padding:16px 10px 32px}section{padding:14px 12px}.wide{display:none}.narrow{display:block}
    .tiles{grid-template-columns:1fr 1fr;gap:8px}.tile{padding:10px 12px}.tile strong{font-size:1.3rem}.key{grid-column:1/-1;order:-1}
    .bars{gap:6px 8px;font-size:.87rem}.n small{display:none}th,td{padding:4px 7px}table{font-size:.85rem}}
    """
