"""Inputs of different surveys are refused by one function, or named where they are allowed."""

import pytest

from classifier.same_survey import SurveyInput, check_same_survey
from skyreel.errors import ClassifierError, FinetuneError

HITS = SurveyInput("real.zarr", "hits", 0.27)
MODEL = SurveyInput("forest", "ztf", 1.01, "was trained on")


def test_inputs_of_one_survey_have_no_differences():
    assert check_same_survey(HITS, SurveyInput("other.zarr", "hits", 0.272)) == ()
    assert check_same_survey(HITS, SurveyInput("old model", "hits", None)) == ()


def test_another_survey_is_refused_and_both_are_named():
    with pytest.raises(ClassifierError, match=r"forest was trained on ztf, real\.zarr is of hits"):
        check_same_survey(MODEL, HITS)


def test_another_survey_that_is_allowed_is_said():
    notes = check_same_survey(MODEL, HITS, any_survey=True)
    assert notes == ("forest was trained on ztf, real.zarr is of hits.",)


def test_pixels_of_another_size_are_refused_whatever_the_name():
    with pytest.raises(FinetuneError, match=r"of 0\.27 arcsec, other of 0\.5 arcsec\. Stop\."):
        other = SurveyInput("other", "hits", 0.5)
        check_same_survey(HITS, other, hint="Stop.", error=FinetuneError)
