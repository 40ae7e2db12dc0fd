"""The names of TFRS and Keras RS in the table of notebook 13 are in these libraries, as installed."""

import json
import re
from operator import attrgetter
from pathlib import Path

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks/13_scale.ipynb"


def test_each_name_of_the_table_is_in_its_library():
    import keras_rs

    from movierec.keras2 import tfrs

    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    (text,) = ["".join(cell["source"]) for cell in cells if "|what|TFRS" in "".join(cell["source"])]
    rows = re.findall(r"^\|([^|]*)\|([^|]*)\|([^|]*)\|$", text.split("|---|---|---|")[1], re.MULTILINE)
    assert len(rows) == 11
    for column, library in ((1, tfrs), (2, keras_rs)):
        names = [row[column].strip(" `") for row in rows if row[column].strip() != "none"]
        assert len(names) > 5 and all(attrgetter(name)(library) for name in names)
