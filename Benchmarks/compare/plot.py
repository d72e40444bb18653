"""The results as bars: each work's seconds, on a scale of powers of ten, because the works differ by four of them."""

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402


def draw(results, line, path):
    # The same file for the same results.
    matplotlib.rcParams["svg.hashsalt"] = "compare"
    works, subjects = list(results.works), list(results.subjects)
    height = 0.8 / max(1, len(subjects))
    figure, axes = pyplot.subplots(figsize=(10, 1 + 0.16 * len(works) * len(subjects)), layout="constrained")
    colours = matplotlib.colormaps["tab10"]
    for index, subject in enumerate(subjects):
        places, lengths, least, most = [], [], [], []
        for row, work in enumerate(works):
            cell = results.cell(line, work, subject)
            place = row + (index - (len(subjects) - 1) / 2) * height
            if cell.seconds is None or cell.errors:
                if cell.is_there:
                    axes.text(0.01, place, "fails", transform=axes.get_yaxis_transform(), va="center", fontsize=6,
                              color=colours(index % 10))
                continue
            places.append(place)
            lengths.append(cell.seconds)
            least.append(cell.seconds - cell.least)
            most.append(cell.most - cell.seconds)
        axes.barh(places, lengths, height, xerr=[least, most] if places else None, label=results.subjects[subject],
                  color=colours(index % 10), error_kw={"elinewidth": 0.6})
    axes.set_xscale("log")
    axes.set_yticks(range(len(works)), [results.works[work]["title"] for work in works])
    axes.invert_yaxis()
    axes.set_xlabel("seconds, less is better")
    axes.set_title(f"{results.heading(line)} ({results.data['date'][:10]})")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.4, -0.04), ncols=4)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
