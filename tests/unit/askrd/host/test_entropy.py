"""Ids and secrets."""

import re

from askrd.host.entropy import base62, epoch, instance_id, resume_secret


def test_base62_has_the_asked_length_and_alphabet() -> None:
    assert re.fullmatch("[0-9A-Za-z]{5000}", base62(5000))
    assert len(set(base62(5000))) == 62


def test_ids_have_their_documented_shape() -> None:
    assert re.fullmatch("[0-9A-Za-z]{6}", instance_id())
    assert re.fullmatch("[0-9A-Za-z]{12}", epoch())
    assert re.fullmatch("[0-9A-Za-z_-]{43}", resume_secret())


def test_secrets_do_not_repeat() -> None:
    assert len({resume_secret() for _ in range(1000)}) == 1000
    assert len({epoch() for _ in range(1000)}) == 1000
