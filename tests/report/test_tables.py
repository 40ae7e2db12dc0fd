"""Recorded tables are printed rounded, with intervals, and bold exactly where a recorded test says so."""

from pathlib import Path

import pandas as pd
import pytest

from report.build.results import COMMANDS, Style, cells, command, is_number, rounded

ROOT = Path(__file__).resolve().parents[2]
PLAIN = Style(  # that shows what each part of it was given
    text=lambda text: f"'{text}'",
    number=lambda text: text.replace("-", "minus "),
    bold=lambda text: f"*{text}*",
    interval=lambda ends: f" [{ends}]",
)
NAMES = {"column": "model", "header": "Model"}
NDCG = {"column": "ndcg", "header": "NDCG", "format": ".3f"}
BEST = NDCG | {"best": True}
LOW = {"column": "low", "header": "low", "format": ".2f"}
ENDS = {"interval": ["low", "high"]}
TABLE = pd.DataFrame({"model": ["popularity", "EASE", "hybrid"], "ndcg": ["0.0784", "0.1452", "0.1454"]})
TABLE = TABLE.assign(low=["--", "-0.25", "0.1351"], high=["0.1", "0.1556", "0.1557"])


@pytest.mark.parametrize(
    ("spec", "leads", "column"),
    [
        ({"column": "ndcg", "header": "x"}, [], ["'0.0784'", "'0.1452'", "'0.1454'"]),  # without a format: text
        (LOW | {"best": True}, ["popularity", "EASE"], ["'--'", "*minus 0.25*", "0.14"]),  # no value, nothing in bold
        (
            BEST | ENDS,
            ["EASE"],
            ["0.078", "*0.145* [minus 0.250, 0.156]", "0.145 [0.135, 0.156]"],
        ),  # both ends, or none
        (BEST, ["popularity"], ["*0.078*", "0.145", "0.145"]),  # the test says who leads, not the printed digits
        (NDCG, ["hybrid"], ["0.078", "0.145", "0.145"]),  # the page does not ask for bold
    ],
)
def test_cells_of_a_column(spec, leads, column):
    best = {spec["column"]: leads}
    assert [row[0] for row in cells("results", TABLE, [spec], best, PLAIN)] == column


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"column": "mae"}, r"results has no column \['mae'\]; it has \['model', 'ndcg', 'low', 'high'\]"),
        ({"column": "ndcg", "interval": ["low", "top"]}, r"results has no column \['top'\]"),
        ({"column": "ndcg", "interval": ["low"]}, "interval of 'ndcg' in results must name two columns"),
        ({"column": "ndcg", "bold": "yes"}, r"unknown settings \['bold'\]; known: .*'best'.*'interval'"),
        ({}, r"results has no column \[None\]"),
        (BEST, r"sets the best of 'ndcg' in bold, and no test .* `record.table\(…, best={'ndcg': comparison.leaders\("),
    ],
)
def test_unknown_columns_and_settings_and_bold_without_a_test_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        cells("results", TABLE, [{"header": "x", **setting}], {"rmse": ["hybrid"]}, PLAIN)


def test_a_number_is_finite_and_rounded_without_a_minus_zero_and_columns_have_the_declared_order():
    assert (rounded("-0.0004", ".3f", PLAIN), rounded("-1234.5", ",.2f", PLAIN)) == ("0.000", "minus 1,234.50")
    rows = cells("results", TABLE[["model", "ndcg"]], [BEST, NAMES], {"ndcg": ["hybrid"]}, PLAIN)
    assert rows[1:] == [["0.145", "'EASE'"], ["*0.145*", "'hybrid'"]]  # leaders are found by the first recorded cell
    assert all(map(is_number, ["0.5", "-1e-3", "943"])) and not any(map(is_number, ["--", "", "nan", "inf"]))


def test_each_maker_of_results_has_a_command_that_exists():
    """The paper and the pages of results print them; `make benchmark` runs what has no command of its own."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert (command("06_training"), command("09_people_and_films")) == ("make 06", "make 09")
    assert command("tests/benchmarks/run.py") == "make benchmark"
    assert [owner for owner in COMMANDS if not (ROOT / owner).exists()] == []
    for typed in COMMANDS.values():
        tool, name, *_ = typed.split()
        assert f"\n{name}:" in makefile if tool == "make" else (ROOT / name).exists(), typed
    scripts = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob("tests/benchmarks/*.py")
        if f'Recorder("tests/benchmarks/{path.name}"' in path.read_text(encoding="utf-8")
    ]
    assert len(scripts) >= 6
    left = [script for script in scripts if command(script) == "make benchmark"]
    assert [script for script in left if f"$(PYTHON) {script}" not in makefile] == []
