"""What users copy from the documentation runs."""

import doctest
import json
import re
import runpy
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import sklearn
from matplotlib import pyplot
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor

pytestmark = pytest.mark.newest

ROOT = Path(__file__).parents[1]


OTHER_EXAMPLES = sorted(
    path for path in (ROOT / "examples").glob("*.py") if path.name != "plot_quickstart.py"
)


def weights_arrive(names):
    searched, costs = names["searched"], names["costs"]
    assert np.allclose(searched, names["with_costs"], atol=1e-9)
    assert not np.allclose(searched, names["without"], atol=0.1)
    assert np.isclose(names["search"].best_score_, np.mean(names["scores"]), atol=1e-12)
    assert costs["network with weights"] < min(costs["all bad"], costs["network without weights"])


def moments_balance(names):
    for above, below in names["moments"].values():
        assert np.isclose(above, below, rtol=1e-6)
    assert np.abs(names["difference"]).max() < 1e-6


def bands_cover(names):
    assert abs(names["inside"] - 0.8) < 0.05


def conformalised_bands_cover(names):
    coverage, width = names["coverage"], names["width"]
    for kind in ("network, conformalised", "boosting, conformalised"):
        assert abs(coverage[kind] - 0.9) < 0.05
    assert width["network, conformalised"] < width["boosting, conformalised"]


def workers_have_the_objective_of_one_machine(names):
    assert abs(names["difference"]) < 1e-8
    assert names["error"] < 0.22


def constraints_help_and_hold(names):
    errors, falls = names["errors"], names["falls"]
    assert errors["monotone, in groups"] < errors["monotone"] < errors["unconstrained"]
    assert falls["monotone, in groups"] == falls["monotone"] == 0 < falls["unconstrained"]
    assert names["mixed"]["monotone, in groups"] == 0


def all_seeds_end_at_one_optimum(names):
    polished = [result.objective for result in names["results"].values()]
    assert max(polished) <= (1 + 1e-4) * min(polished)
    for result in names["results"].values():
        assert result.certificate.exact
        assert names["bound"] <= result.objective * (1 + 1e-9)
        assert result.gap_of_network > 0


def exports_predict_the_same(names):
    worst = {name: difference.max() for name, difference in names["differences"].items()}
    assert {"MLPRegressor", "JSON"} <= worst.keys()
    assert worst["MLPRegressor"] < 1e-10 and worst["JSON"] < 1e-9  # of rents up to 2000
    assert worst.get("ONNX", 0.0) < 1e-3
    # JSON of networks of other kinds, on rows with gaps, a level never seen and outliers.
    rows, rent = names["other"].copy(), names["rent"]
    rows.loc[30:40, "area"] = 1e4
    for model in _others_of_flats(names["table"], rent):
        record = json.loads(json.dumps(model.to_dict(), allow_nan=False))
        found = [names["outputs"](record, row) for row in rows.to_dict("records")]
        expected = model.decision_function(rows) if "classes" in record else model.predict(rows)
        expected = np.log(expected) if record["link"] == "log" else expected
        assert np.ptp(expected) > 0
        assert_allclose(found, expected.reshape(len(rows), -1), rtol=1e-9, atol=1e-9)


def _others_of_flats(table, rent):
    few = {"alpha": 0.05, "interaction_order": 1, "tol": 0.01}
    regressor, classifier = WedgeReLURegressor(**few), WedgeReLUClassifier(**few)
    yield clone(regressor).set_params(monotonic_cst={"area": 1}).fit(table, rent)  # medians
    yield clone(regressor).set_params(encoding="normal").fit(table, rent)
    yield clone(regressor).set_params(clip_quantile=None, loss="gamma").fit(table, rent)
    levels = np.quantile(rent, [0.3, 0.7])
    yield classifier.set_params(alpha=0.01).fit(table, np.digitize(rent, levels))
    deep = {"alpha": 0.01, "n_blocks": 2, "interaction_order": 2, "tol": 0.1}
    yield clone(regressor).set_params(**deep).fit(table, rent)


def the_network_is_among_the_good_ones(names):
    accuracy = names["accuracy"]
    for data in names["data_sets"]:
        others = [accuracy[data, name] for name in names["classifiers"]]
        assert accuracy[data, "Wedge network"] >= np.median(others) - 0.05
        assert names["fitted"][data, "Wedge network"].certificate_.exact


def effects_sum_to_the_prediction(names):
    assert abs(names["remainder"]) < 1e-10
    assert abs(names["importances"].sum() - 1) < 1e-10


def two_blocks_have_a_quarter_of_the_error_on_no_more_neurons(names):
    rmse, width, truth = names["rmse"], names["width"], names["composed"](names["X_test"])
    one, two = names["one"], names["two"]
    assert two.n_blocks_ == 2
    assert width(two) <= width(one)
    assert rmse(two, names["X_test"], truth) <= 0.25 * rmse(one, names["X_test"], truth)


def lines_of_a_second_layer_are_folded_and_pass_through_their_samples(names):
    assert len(names["shown"]) == 6
    assert len(names["named"]) >= 3
    assert names["distance"] < 1e-9
    assert names["error"] < 0.08


def a_table_with_gaps_is_read_by_its_names(names):
    table, models = names["flats"], names["models"]
    scores = {name: model.score(names["X_test"], names["y_test"]) for name, model in models.items()}
    assert max(scores, key=scores.get) == "WedgeReLURegressorCV"
    assert table.isna().to_numpy().any()
    fitted = names["fitted"]
    inputs = set(fitted.neurons_frame()["inputs"].sum())
    assert {"area", "district = centre", "heating = electric"} <= inputs
    assert fitted.feature_names_in_.tolist() == table.columns.drop("rent").tolist()
    assert "1 output (rent)" in fitted.summary()
    (prediction,) = fitted.predict(names["flat"])
    assert np.isclose(names["explanation"].to_frame().to_numpy().sum(), prediction)


CLAIMS = {
    "plot_classifier_comparison.py": the_network_is_among_the_good_ones,
    "plot_dask.py": workers_have_the_objective_of_one_machine,
    "plot_export.py": exports_predict_the_same,
    "plot_effects.py": effects_sum_to_the_prediction,
    "plot_folds.py": lines_of_a_second_layer_are_folded_and_pass_through_their_samples,
    "plot_german_credit.py": weights_arrive,
    "plot_mixed_table.py": a_table_with_gaps_is_read_by_its_names,
    "plot_intervals.py": conformalised_bands_cover,
    "plot_monotone.py": constraints_help_and_hold,
    "plot_own_loss.py": moments_balance,
    "plot_polish.py": all_seeds_end_at_one_optimum,
    "plot_quantile_bands.py": bands_cover,
    "plot_two_blocks.py": two_blocks_have_a_quarter_of_the_error_on_no_more_neurons,
}


@pytest.mark.parametrize("example", OTHER_EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_and_shows_what_it_says(example, monkeypatch, capsys):
    matplotlib.use("agg")
    monkeypatch.setattr("sys.argv", [str(example)])
    with sklearn.config_context():  # an example may change it
        names = runpy.run_path(str(example), run_name="__main__")
    pyplot.close("all")
    assert "certified" in capsys.readouterr().out
    if example.name in CLAIMS:
        CLAIMS[example.name](names)


def test_the_quickstart_keeps_up_with_the_lasso_and_is_certified(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["plot_quickstart.py"])
    names = runpy.run_path(str(ROOT / "examples" / "plot_quickstart.py"))
    X_test, y_test = names["X_test"], names["y_test"]
    assert names["wedge"].score(X_test, y_test) >= names["lasso"].score(X_test, y_test) - 0.02
    assert names["wedge"].certificate_.exact
    assert capsys.readouterr().out.count("through row") == 5


def test_the_snippets_of_the_guide_run():
    guide = (ROOT / "doc" / "guide.md").read_text()
    snippets = "\n".join(re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(snippets, {}, "guide", "guide.md", 0)
    assert len(test.examples) > 20
    assert doctest.DocTestRunner().run(test, clear_globs=False).failed == 0
    # Behind transformers the network still knows its columns.
    mixed = test.globs["mixed"]
    assert list(mixed[-1].feature_names_in_) == list(mixed[:-1].get_feature_names_out())
    assert "s3" in mixed[-1].feature_names_in_


def test_the_gallery_begins_with_what_most_tables_are():
    order = runpy.run_path(str(ROOT / "doc" / "gallery_order.py"))["GalleryOrder"]("examples")
    names = sorted((path.name for path in (ROOT / "examples").glob("plot_*.py")), key=order)
    assert names[:2] == ["plot_quickstart.py", "plot_mixed_table.py"]


def test_the_callbacks_of_the_guide_run():
    pytest.importorskip("sklearn.callback")
    pytest.importorskip("rich")
    guide = (ROOT / "doc" / "guide.md").read_text()
    # Left out of the test above: older versions of scikit-learn have no callbacks.
    lines = re.findall(r"^>>> (.*?)  # doctest: \+SKIP$", guide, flags=re.MULTILINE)
    assert any("ScoringMonitor" in line for line in lines)
    assert any("ProgressBar" in line for line in lines)
    X, y = load_diabetes(return_X_y=True)
    names = {
        "X": X,
        "y": y,
        "WedgeReLURegressor": WedgeReLURegressor,
        "make_pipeline": make_pipeline,
        "StandardScaler": StandardScaler,
    }
    exec("\n".join(lines), names)
    assert "round" in {row["task_name"] for row in names["monitor"].get_logs().data}
    assert names["piped"][-1].n_neurons_ > 0


NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def test_the_snippets_of_the_readme_run_and_print_what_they_say(capsys):
    readme = (ROOT / "README.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", readme, flags=re.DOTALL)
    assert len(snippets) == 5
    namespace: dict = {}
    for code, says in snippets:
        exec(compile(code, "README.md", "exec"), namespace)
        printed = capsys.readouterr().out
        assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", says).split()
        numbers = [list(map(float, NUMBER.findall(text))) for text in (printed, says)]
        # Within the tolerance of a fit, which is also what gaps near zero are within.
        np.testing.assert_allclose(*numbers, rtol=0.02, atol=1e-3)
    assert namespace["model"].certificate_.exact


def test_the_readme_has_one_line_commands_and_names_files_that_exist():
    readme = (ROOT / "README.md").read_text()
    commands = re.findall(r"```bash\n(.*?)\n```", readme)
    assert len(commands) == 2
    assert "examples/plot_quickstart.py" in commands[0]
    assert "pytest" in commands[1]
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", readme):
        assert (ROOT / target).exists(), target
