"""The picture of quality.py: file bytes against the bits per byte that quantisation costs, one panel a model."""
import sys

try:
    import adjustText
    import matplotlib
except ImportError as error:
    sys.exit(f"The Python package {error.name} is missing; install what --plot needs with: pip install matplotlib adjustText")
matplotlib.use("agg")
from matplotlib import pyplot, ticker

MOST = 0.3  # over float; what costs more is left out
LEAST = 1e-4  # over float; what is below, or better than the float model, is drawn here
OURS, PEER = "#c2410c", "#1d4ed8"


def front(points):
    """Of points (bytes, cost, ...) those that no other beats in both."""
    best, found = float("inf"), []
    for point in sorted(points, key=lambda p: p[:2]):
        if point[1] < best:
            best = point[1]
            found.append(point)
    return found


def labelled(points):
    """Of a front those to name: each costs a good part less than the one before it."""
    found = []
    for point in points:
        if not found or point[1] < 0.85 * found[-1][1] or point is points[-1]:
            found.append(point)
    return found


def draw(results, path):
    """800 pixels wide, as .svg or .png."""
    pyplot.rcParams.update({"font.size": 11, "font.family": "DejaVu Sans", "svg.fonttype": "path", "svg.hashsalt": "quality"})
    figure, panels = pyplot.subplots(len(results), 1, figsize=(8, 5 * len(results)), squeeze=False, layout="constrained")
    for panel, result in zip(panels[:, 0], results):
        draw_model(panel, result)
    panels[-1, 0].set_xlabel("bytes of the file, without a tokenizer; a shared network counted once")
    figure.savefig(path, dpi=100, metadata={"Date": None} if path.endswith(".svg") else None)


def draw_model(panel, result):
    def points(ours):
        return [(row["bytes_once"], max(LEAST, row["over_float"]), name(row)) for row in result["rows"]
                if row["ours"] == ours and row["name"] != "F32" and row["over_float"] <= MOST]

    def name(row):
        if row["name"].startswith("--budget"):
            return f"{row['bits_per_weight']:.1f} bits"
        return row["name"].replace(", padded", " p").replace(", emb.", " e").replace("--weights ", "")

    own, peer = sorted(points(True)), points(False)
    best = front(peer)
    rest = [point for point in peer if point not in best]
    panel.set_xscale("log")
    panel.set_yscale("log")
    texts = []
    if peer:
        panel.step([p[0] for p in best], [p[1] for p in best], where="post", color=PEER, linewidth=1, alpha=0.5)
        panel.plot([p[0] for p in best], [p[1] for p in best], "o", color=PEER, markersize=5, label="llama.cpp, none smaller and better")
        panel.plot([p[0] for p in rest], [p[1] for p in rest], "o", color=PEER, markersize=3, alpha=0.35, label="llama.cpp, other types (p: padded, e: embeddings too)")
        texts += [panel.text(*p, color=PEER, fontsize=9) for p in labelled(best)]
    panel.plot([p[0] for p in own], [p[1] for p in own], "s-", color=OURS, markersize=6, linewidth=2, label="STLM (bits a weight, all of the file)")
    texts += [panel.text(p[0], p[1], p[2], color=OURS, fontsize=9) for p in own]
    panel.xaxis.set_major_locator(ticker.LogLocator(10, subs=(1, 1.5, 2, 3, 5, 7)))
    panel.xaxis.set_minor_locator(ticker.NullLocator())
    panel.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x / 1e6:g} MB" if x >= 1e6 else f"{x / 1e3:g} kB"))
    panel.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: "at most " * bool(y <= LEAST) + f"{100 * y:g} %"))
    panel.grid(True, alpha=0.25)
    panel.set_ylabel("bits per byte over float")
    panel.set_title(f"{result['model']}: {result['weights']:,} weights", fontsize=12, loc="left")
    panel.legend(fontsize=9, loc="upper right")
    everything = own + peer
    adjustText.adjust_text(texts, x=[p[0] for p in everything], y=[p[1] for p in everything], ax=panel,
                           arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6})
