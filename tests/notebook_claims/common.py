"""What several notebooks' claims are read from."""


def gain(after, before, kind="greedy"):
    """The largest rise of an accuracy over levels."""
    return max(a[kind] - b[kind] for a, b in zip(after, before, strict=True))
