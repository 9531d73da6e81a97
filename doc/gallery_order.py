"""The order of the examples in the gallery: from a first fit to what fewer need."""

FIRST = (
    "quickstart",
    "mixed_table",
    "one_dimension",
    "two_spirals",
    "classifier_comparison",
    "path",
    "effects",
    "quantile_bands",
    "intervals",
    "own_loss",
    "monotone",
    "two_blocks",
    "folds",
    "polish",
    "export",
    "german_credit",
    "dask",
)


class GalleryOrder:
    """Sort key of Sphinx-Gallery; an example that is not listed comes last."""

    def __init__(self, src_dir: str):
        self.src_dir = src_dir

    def __call__(self, filename: str) -> tuple[int, str]:
        name = filename.removeprefix("plot_").removesuffix(".py")
        return (FIRST.index(name) if name in FIRST else len(FIRST)), filename
