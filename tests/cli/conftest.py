"""Commands are tested by what they say and write: training is short, and reports have two of the figures."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_commands(quick_training):
    from skdistmass.validation import figures, report

    with quick_training(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(report.figures, "__all__", figures.__all__[:2])
        yield
