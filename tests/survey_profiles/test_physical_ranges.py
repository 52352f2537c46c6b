"""Unknown values in every form that catalogues and packages give them."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import MaskedColumn
from astropy.utils.masked import Masked

from skyreel.errors import UserError
from survey_profiles.physical_ranges import (
    PHYSICAL_RANGES,
    as_mjd,
    check_known,
    filled,
    known,
)


@pytest.mark.parametrize("sentinel", [99.0, 99.99, 99.999, -99.0, -999.0, -9999.0, np.inf, np.nan])
@pytest.mark.parametrize(
    "quantity", ["magnitude", "magnitude_error", "zero_point_mag", "airmass", "limiting_mag"]
)
def test_sentinels_are_unknown(quantity, sentinel):
    assert np.isnan(known(quantity, [sentinel, 5.0])).tolist() == [True, False]


@pytest.mark.parametrize(
    "values",
    [
        np.ma.masked_array([1.0, 99.0], mask=[False, True]),
        MaskedColumn([1.0, 99.0], mask=[False, True]),
        Masked(np.array([1.0, 99.0]), mask=[False, True]),
        pd.Series([1, pd.NA], dtype="Int64"),
        pd.array([1, pd.NA], dtype="Float64"),
        [1.0, None],
        np.ma.masked_array([1, 99], mask=[False, True]),
        [1.0, pd.NA],
        (1.0, np.ma.masked),
        pd.Series([1.0, pd.NA], dtype=object),
        np.array([1.0, pd.NA], dtype=object),
        np.array([1, None], dtype=object),
    ],
)
def test_masked_elements_are_nan(values):
    np.testing.assert_array_equal(filled(values), [1.0, np.nan])


def test_a_list_of_masked_rows_is_one_array():
    rows = [np.ma.masked_array([1, 99], mask=[False, True]), [3.0, pd.NA], pd.Series([4.0, 5.0])]
    np.testing.assert_array_equal(filled(rows), [[1.0, np.nan], [3.0, np.nan], [4.0, 5.0]])
    assert np.isnan(filled(pd.NA)) and np.isnan(filled(np.ma.masked))
    with pytest.raises((TypeError, ValueError)):
        filled(["mag", pd.NA])


def test_both_ends_of_a_range_are_allowed():
    for quantity, (low, high, _) in PHYSICAL_RANGES.items():
        np.testing.assert_array_equal(known(quantity, [low, high]), [low, high])
        outside = [np.nextafter(low, -np.inf), np.nextafter(high, np.inf)]
        assert np.isnan(known(quantity, outside)).all(), quantity


def test_julian_dates_become_mjd():
    mjd, n_converted = as_mjd([57070.25, 2457070.75, -999.0, 12.0])
    np.testing.assert_array_equal(mjd, [57070.25, 57070.25, np.nan, np.nan])
    assert n_converted == 1


def test_a_refused_julian_date_names_the_mjd():
    with pytest.raises(UserError, match=r"15020 to 88069 d.*MJD is 57070\.25"):
        check_known("mjd", 2457070.75)
    check_known("mjd", [57070.25])
