"""What the panels share: one look, and tables for the eye and for a screen reader."""

import html

import ipywidgets as widgets
import pandas as pd

STYLE = """<style>
table.movierec {border-collapse: collapse; line-height: 1.4}
table.movierec caption {text-align: left; font-weight: bold; padding-bottom: .4em}
table.movierec th, table.movierec td {text-align: left; padding: .15em .8em .15em 0; vertical-align: top}
table.movierec tr {border-bottom: 1px solid rgba(128, 128, 128, .3)}
</style>"""
LABEL = {"description_width": "7em"}
WIDE = widgets.Layout(width="22em")


def as_html(table: pd.DataFrame, columns: dict[str, str], caption: str) -> str:
    """A table for the eye and for a screen reader; what is in it is text, whatever it looks like.

    Args:
        columns: {column: heading}.
    """

    def cell(row, name: str) -> str:
        value = row[name]
        text = "–" if pd.isna(value) else f"{value:.1f} ★" if name == "predicted_stars" else str(value)
        return f"<td>{html.escape(text.replace('|', ', '))}</td>"

    head = "".join(f'<th scope="col">{html.escape(heading)}</th>' for heading in columns.values())
    rows = "".join(f"<tr>{''.join(cell(row, name) for name in columns)}</tr>" for row in table.to_dict("records"))
    return (
        f'<table class="movierec"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
