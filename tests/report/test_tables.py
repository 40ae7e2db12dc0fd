"""Cells of recorded tables: what is refused, rounding, and that each maker of results has a command."""

from pathlib import Path

import pandas as pd
import pytest

from report.build.latex import STYLE
from report.build.results import COMMANDS, cells, command, is_number, rounded

ROOT = Path(__file__).resolve().parents[2]
NDCG = {"column": "ndcg", "header": "NDCG", "format": ".3f"}
TABLE = pd.DataFrame({"model": ["popularity", "EASE", "hybrid"], "ndcg": ["0.0784", "0.1452", "0.1454"]})
TABLE = TABLE.assign(low=["--", "0.1341", "0.1351"], high=["0.1", "0.1556", "0.1557"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"column": "mae"}, r"results has no column \['mae'\]; it has \['model', 'ndcg', 'low', 'high'\]"),
        ({"column": "ndcg", "interval": ["low", "top"]}, r"results has no column \['top'\]"),
        ({"column": "ndcg", "interval": ["low"]}, "interval of 'ndcg' in results must name two columns"),
        ({"column": "ndcg", "bold": "yes"}, r"unknown settings \['bold'\]; known: .*'best'.*'interval'"),
        ({}, r"results has no column \[None\]"),
        (
            NDCG | {"best": True},
            r"sets the best of 'ndcg' in bold, and no test .* `record.table\(…, best={'ndcg': comparison.leaders\(",
        ),
    ],
)
def test_unknown_columns_and_settings_and_bold_without_a_test_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        cells("results", TABLE, [{"header": "x", **setting}], {"rmse": ["hybrid"]}, STYLE)


def test_a_number_is_finite_and_rounded_without_a_minus_zero_and_leads_by_the_first_recorded_cell():
    assert (rounded("-0.0004", ".3f", STYLE), rounded("1234.5", ",.2f", STYLE)) == ("0.000", "1{,}234.50")
    columns = [NDCG | {"best": True}, NDCG, {"column": "model", "header": "Model"}, {"column": "low", "header": "low"}]
    rows = cells("results", TABLE, columns, {"ndcg": ["EASE"]}, STYLE)  # not by the largest number
    assert rows[1:] == [[r"\textbf{0.145}", "0.145", "EASE", "0.1341"], ["0.145", "0.145", "hybrid", "0.1351"]]
    assert all(map(is_number, ["0.5", "-1e-3", "943"])) and not any(map(is_number, ["--", "", "nan", "inf"]))


def test_each_maker_of_results_has_a_command_that_exists():
    """The paper and the pages of results print them; `make benchmark` runs what has no command of its own."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert (command("06_training"), command("tests/benchmarks/run.py")) == ("make 06", "make benchmark")
    assert [owner for owner in COMMANDS if not (ROOT / owner).exists()] == []
    for typed in COMMANDS.values():
        tool, name, *_ = typed.split()
        assert f"\n{name}:" in makefile if tool == "make" else (ROOT / name).exists(), typed
    scripts = [f"tests/benchmarks/{path.name}" for path in ROOT.glob("tests/benchmarks/*.py")]
    scripts = [script for script in scripts if f'Recorder("{script}"' in (ROOT / script).read_text(encoding="utf-8")]
    assert len(scripts) >= 6
    left = [script for script in scripts if command(script) == "make benchmark"]
    assert [script for script in left if f"$(PYTHON) {script}" not in makefile] == []
