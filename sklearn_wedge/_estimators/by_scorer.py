"""Scores of networks on the rows that a fold holds out, by a scorer of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from sklearn_wedge._core.blocks import SolvedBlock
from sklearn_wedge._core.network import deep_network_of
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._estimators.base import _WedgeNetwork
from sklearn_wedge._estimators.fold_paths import Score
from sklearn_wedge._estimators.folds import Fold, Task


@dataclass(frozen=True)
class ByScorer:
    """Scores by a scorer of scikit-learn; see ``Scoring``.

    ``unfitted`` is the network to be scored, ``params`` what the scorer is given by row.
    ``of_loss`` scores by the loss that is minimised; None: the scorer does. Where categories are
    target means, the network is scored on its inputs: those of a row hold means of other rows,
    where what is made of the table as given has the target of the row itself.
    """

    unfitted: _WedgeNetwork
    scorer: Callable
    params: dict[str, NDArray]
    of_loss: Callable | None

    def on(self, task: Task, fold: Fold, sample: Sample) -> Score:
        """See ``Scoring``."""
        rows, unfitted, given = fold.test, copy(self.unfitted), task.given
        if unfitted.table_.has_target_means:
            unfitted, given = unfitted._on_inputs(), task.X
        held_out = {name: values[rows] for name, values in self.params.items()}
        unfitted._publish_marginals(sample)
        weighted = {name: held_out[name] for name in ("sample_weight",) if name in held_out}
        X, labels = _safe_indexing(given, rows), task.labels[rows]

        def score(blocks: Sequence[SolvedBlock]) -> tuple[float, float]:
            solution = blocks[-1].solution
            model = copy(unfitted).set_params(alpha=solution.alpha)
            model._publish(deep_network_of(blocks), sample, solution)
            value = float(self.scorer(model, X, labels, **held_out))
            if self.of_loss is None:
                return value, -value
            return value, -float(self.of_loss(model, X, labels, **weighted))

        return score
