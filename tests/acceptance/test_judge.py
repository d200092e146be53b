"""Everything we mail passes the gate of the e-mail judge: ``pytest -m shared -s tests/acceptance/test_judge.py``.

Needs the shared folder (DIGEST_SHARED) and an installed copy of its judge (JUDGE_DIR), and says so when they are
absent. Some 190 mails take five to ten minutes on two cores; ``-k days`` judges one group, ``--basetemp DIR`` says
where the mails are left.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.rendering.render import Renderer, default_template_folder
from tests.acceptance.judge import judged
from tests.acceptance.mails import GROUPS, Press, unlisted


@pytest.fixture(scope="module")
def press() -> Press:
    return Press(Renderer([default_template_folder()]))


@pytest.mark.shared
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("group", GROUPS)
def test_every_mail_passes_the_gate(press: Press, tmp_path: Path, group: str) -> None:
    mails = GROUPS[group](press)
    verdict = judged(mails, tmp_path, unlisted=list(unlisted(list(mails))))
    print(f"\n{group}: {verdict.passed} of {len(mails)} mails pass")
    assert not verdict.failures, "\n".join(verdict.failures)
