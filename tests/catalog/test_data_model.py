"""The schema, and the page made from it."""

import importlib.util
from pathlib import Path

import pytest
from astropy import units as u

from skdistmass.schema.bits import Bit, QualityBit
from skdistmass.schema.columns import EXTRA_COLUMNS, POSTERIOR_COLUMNS, TABLE_2, describe, layout, scales_of


def test_page_in_the_documentation_is_that_of_the_schema():
    docs = Path(__file__).resolve().parents[2] / "docs"
    spec = importlib.util.spec_from_file_location("make_data_model", docs / "make_data_model.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    page = (docs / "catalog.md").read_text(encoding="utf-8")
    assert page == maker.data_model_page(), "run python docs/make_data_model.py"


@pytest.mark.parametrize("column", TABLE_2 + EXTRA_COLUMNS + POSTERIOR_COLUMNS, ids=lambda column: column.name)
def test_each_column_can_be_rebuilt_from_the_page(column):
    assert column.description
    assert column.formula
    assert column.inputs
    assert column.ucd
    if column.unit is not None:
        u.Unit(column.unit)


def test_names_of_table_2_in_the_order_of_the_paper():
    scales = ["UNCOR_SS", "COR_SS", "UNCOR_MO", "COR_MO", "UNCOR_TW", "COR_TW"]
    names = [column.name for column in layout(scales)][:31]
    expected = "APOGEE_ID APSTAR_ID TEFF LOGG M_H C_FE N_FE GAIAEDR3_DIST EXTINCTION MAG ABS_MAG ABS_MAG_ERR DISTANCE"
    expected += " DISTANCE_ERR DISTANCE_WEIGHTED " + " ".join(f"MASS_{s}" for s in scales) + " MASS_ERR "
    expected += " ".join(f"AGE_{s}" for s in scales) + " AGE_ERR BITMASK NMSU_DIST"
    assert names == expected.split()
    assert scales_of(names) == scales
    assert len({column.name for column in layout(scales)}) == len(layout(scales))


def test_bits_of_table_3():
    assert [int(bit) for bit in Bit] == [1, 2, 8, 16, 32]
    assert len({int(bit) for bit in QualityBit}) == len(QualityBit)
    assert (Bit.DISTANCE_TRAINING | Bit.MASS_BERGER) == 17


def test_columns_are_found_by_name():
    assert describe("MASS_COR_MO_LO").unit == "Msun"
    assert describe("AGE").formula
    assert describe("NO_SUCH_COLUMN") is None
