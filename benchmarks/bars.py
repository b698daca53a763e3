"""Bars of measurements, as the pages of the benchmarks show them."""


def plot_bars(path, values, label):
    """Write a PNG with one horizontal bar per value, the first at the top.

    Args:
        path: The PNG file.
        values: Maps the name of each bar to its length, at least 0.
        label: Label of the x axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 0.6 + 0.32 * len(values)), layout="constrained")
    axis = figure.subplots()
    bars = axis.barh(list(values), list(values.values()))
    axis.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlabel(label)
    figure.savefig(path, dpi=150)
