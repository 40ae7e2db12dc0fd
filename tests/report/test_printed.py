"""`movierec.printed`: recorded tables as they are read: rounded, with intervals, bold where a test says so."""

from pathlib import Path

import pandas as pd
import pytest
from movierec.printed import SETTINGS, Style, cells, declared_tables, header, rounded

ROOT = Path(__file__).resolve().parents[2]
PLAIN = Style(  # that shows what each part of it was given
    text=lambda text: f"'{text}'",
    number=lambda text: text.replace("-", "minus "),
    bold=lambda text: f"*{text}*",
    interval=lambda ends: f" [{ends}]",
)
NAMES = {"column": "model", "header": "Model"}
NDCG = {"column": "ndcg", "header": "NDCG", "format": ".3f"}
TABLE = pd.DataFrame(
    {
        "model": ["popularity", "EASE", "hybrid"],
        "ndcg": ["0.0784", "0.1452", "0.1454"],
        "low": ["--", "0.1349", "0.1351"],
        "high": ["--", "0.1556", "0.1557"],
    }
)


def column_of(spec, best=None, table=TABLE):
    """The cells of one column."""
    return [row[0] for row in cells("results", table, [spec], best or {}, PLAIN)]


@pytest.mark.parametrize(
    ("text", "form", "printed"),
    [
        ("0.12345", ".3f", "0.123"),
        ("0.1236", ".3f", "0.124"),
        ("100000", ",.0f", "100,000"),
        ("-1234.5", ",.2f", "minus 1,234.50"),
        ("12", ".0f", "12"),
    ],
)
def test_a_number_is_rounded_and_then_written_in_the_style(text, form, printed):
    assert rounded(text, form, PLAIN) == printed


def test_the_first_line_has_units_in_brackets():
    columns = [NAMES, {"column": "rmse", "header": "RMSE", "unit": "stars"}]
    assert header(columns, PLAIN) == ["'Model'", "'RMSE (stars)'"]


def test_cells_are_in_the_order_that_is_declared():
    assert cells("results", TABLE.iloc[:2], [NDCG, NAMES], {}, PLAIN) == [
        ["0.078", "'popularity'"],
        ["0.145", "'EASE'"],
    ]


def test_a_column_without_a_format_is_text_even_where_it_is_a_number():
    assert column_of({"column": "ndcg", "header": "NDCG"}) == ["'0.0784'", "'0.1452'", "'0.1454'"]


def test_where_nothing_applies_two_dashes_stay():
    assert column_of({"column": "low", "header": "low", "format": ".2f"}) == ["'--'", "0.13", "0.14"]
    # A leader without a value has nothing to set in bold.
    leads = {"column": "low", "header": "low", "format": ".2f", "best": True}
    assert column_of(leads, {"low": ["popularity", "EASE"]}) == ["'--'", "*0.13*", "0.14"]


def test_an_interval_stands_beside_its_value_where_both_ends_are_there():
    spec = NDCG | {"interval": ["low", "high"]}
    assert column_of(spec) == ["0.078", "0.145 [0.135, 0.156]", "0.145 [0.135, 0.156]"]
    half = TABLE.assign(low=["0.07", "0.1349", "0.1351"])
    assert column_of(spec, table=half)[0] == "0.078"  # its upper end is "--"


def test_an_interval_is_written_as_numbers_and_outside_the_bold():
    table = pd.DataFrame({"model": ["a"], "ndcg": ["0.1"], "low": ["-0.25"], "high": ["0.45"]})
    spec = NDCG | {"interval": ["low", "high"], "best": True}
    assert column_of(spec, {"ndcg": ["a"]}, table) == ["*0.100* [minus 0.250, 0.450]"]


def test_leaders_are_bold_and_nobody_else():
    spec = NDCG | {"best": True}
    assert column_of(spec, {"ndcg": ["EASE", "hybrid"]}) == ["0.078", "*0.145*", "*0.145*"]
    assert column_of(spec, {"ndcg": ["popularity"]}) == ["*0.078*", "0.145", "0.145"]  # the test says, not the eye
    assert column_of(spec, {"ndcg": []}) == ["0.078", "0.145", "0.145"]


def test_equal_at_the_printed_precision_is_no_reason_for_bold():
    spec, best = NDCG | {"best": True}, {"ndcg": ["hybrid"]}
    assert column_of(spec, best) == ["0.078", "0.145", "*0.145*"]
    assert column_of(spec, best, TABLE.assign(ndcg="0.1454")) == ["0.145", "0.145", "*0.145*"]


def test_leaders_that_the_page_does_not_ask_for_are_not_bold():
    assert column_of(NDCG, {"ndcg": ["hybrid"]}) == ["0.078", "0.145", "0.145"]
    assert column_of(NDCG | {"best": False}, {"ndcg": ["hybrid"]}) == ["0.078", "0.145", "0.145"]


def test_leaders_are_found_by_the_first_recorded_cell_wherever_it_is_printed():
    table = TABLE[["model", "ndcg"]]
    spec = NDCG | {"best": True}
    assert cells("results", table, [spec, NAMES], {"ndcg": ["hybrid"]}, PLAIN)[2] == ["*0.145*", "'hybrid'"]


def test_bold_without_a_test_is_refused_with_the_call_that_records_one():
    with pytest.raises(ValueError) as error:
        column_of(NDCG | {"best": True}, {"rmse": ["hybrid"]})
    assert str(error.value) == (
        "tables.toml: results sets the best of 'ndcg' in bold, and no test says which rows lead. Record it with "
        "`record.table(…, best={'ndcg': comparison.leaders(by_user)})`, or take `best` away."
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"column": "mae"}, r"results has no column \['mae'\]; it has \['model', 'ndcg', 'low', 'high'\]"),
        ({"column": "ndcg", "interval": ["low", "top"]}, r"results has no column \['top'\]"),
        ({"column": "ndcg", "interval": ["low"]}, "interval of 'ndcg' in results must name two columns"),
        ({"column": "ndcg", "bold": "yes"}, r"unknown settings \['bold'\]; known: .*'best'.*'interval'"),
        ({}, r"results has no column \[None\]"),
    ],
)
def test_unknown_columns_and_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        column_of({"header": "x", **setting})


def test_the_declared_tables_of_the_course_know_only_settings_that_there_are():
    declared = declared_tables(ROOT / "report")
    columns = [(name, spec) for name, specs in declared.items() for spec in specs]
    assert len(declared) >= 12
    assert [name for name, spec in columns if not {"column", "header"} <= set(spec) <= SETTINGS] == []
    silent = [name for name, spec in columns if {"best", "interval"} & set(spec) and "format" not in spec]
    assert silent == [], "what is text has neither bold nor an interval"
