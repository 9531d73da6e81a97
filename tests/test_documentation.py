"""What users copy from the documentation runs."""

import doctest
import re
import runpy
from pathlib import Path

import matplotlib
import pytest
from matplotlib import pyplot

ROOT = Path(__file__).parents[1]


OTHER_EXAMPLES = sorted(
    path for path in (ROOT / "examples").glob("*.py") if path.name != "plot_quickstart.py"
)


@pytest.mark.parametrize("example", OTHER_EXAMPLES, ids=lambda path: path.name)
def test_an_example_fails_when_run(example, monkeypatch, capsys):
    matplotlib.use("agg")
    monkeypatch.setattr("sys.argv", [str(example)])
    runpy.run_path(str(example), run_name="__main__")
    pyplot.close("all")
    assert "certified" in capsys.readouterr().out


def test_the_quickstart_falls_behind_the_lasso_or_is_not_certified(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["plot_quickstart.py"])
    names = runpy.run_path(str(ROOT / "examples" / "plot_quickstart.py"))
    X_test, y_test = names["X_test"], names["y_test"]
    assert names["wedge"].score(X_test, y_test) >= names["lasso"].score(X_test, y_test) - 0.02
    assert names["wedge"].certificate_.exact
    assert capsys.readouterr().out.count("through row") == 5


def test_a_snippet_of_the_guide_fails():
    guide = (ROOT / "doc" / "guide.md").read_text()
    snippets = "\n".join(re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(snippets, {}, "guide", "guide.md", 0)
    assert len(test.examples) > 20
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_snippet_of_the_readme_fails():
    (snippet,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL
    )
    namespace: dict = {}
    exec(compile(snippet, "README.md", "exec"), namespace)
    assert namespace["model"].certificate_.exact


def test_the_readme_lacks_one_line_commands_or_names_a_missing_file():
    readme = (ROOT / "README.md").read_text()
    commands = re.findall(r"```bash\n(.*?)\n```", readme)
    assert len(commands) == 2
    assert "examples/plot_quickstart.py" in commands[0]
    assert "pytest" in commands[1]
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", readme):
        assert (ROOT / target).exists(), target
