"""Personal data in texts: what is found and masked, what only looks like it, and how long that takes."""

from __future__ import annotations

import time

import pytest

from pytest_telemetry_gate.support.personal import PERSONAL, mask_personal
from pytest_telemetry_gate.support.secrets import MASK


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("email", "mail to buyer@example.com bounced", ["buyer@example.com"]),
        ("email", "Traceback\nKeyError: user.name+tag@mail.example.co.uk.\n", ["user.name+tag@mail.example.co.uk"]),
        ("email", "?to=buyer%40example.com&x", ["buyer%40example.com"]),
        ("email", '{"a": "a@b.io", "b": "ünï@exämple.de"}', ["a@b.io", "ünï@exämple.de"]),
        ("email", "git@github.com:owner/name, left-pad@1.3.0, @cached, a@b, a@@b.com", []),
        ("card", "4111 1111 1111 1111, 5105-1051-0510-5100 and 378282246310005", ["4111 1111 1111 1111", "5105-1051-0510-5100", "378282246310005"]),
        ("card", "4111111111111112 1732650000000000000 user_4111111111111111 4111-1111", []),
        ("ipv4", "from 203.0.113.7:8080 via 10.0.0.1.", ["203.0.113.7", "10.0.0.1"]),
        ("ipv4", "v1.2.3.4 1.2.3.4.5 256.1.1.1 1.2.3", []),
        ("jwt", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"]),
        ("jwt", "eyJ, eyJhbGci and eyJhbGci.x", []),
    ],
)  # fmt: skip
def test_what_is_found_of_a_kind(kind: str, text: str, found: list[str]) -> None:
    assert [text[slice(*place)] for place in PERSONAL[kind].find(text)] == found


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("a@b.io from 203.0.113.7 at 127.0.0.1:4318", f"{MASK} from {MASK} at 127.0.0.1:4318"),
        ('string "mail to buyer@exam..."', f'string "mail to {MASK}..."'),
        ("expected qa@example.com, got buyer@example.com", f"expected qa@example.com, got {MASK}"),
        ("disk is full, seed 3455673814, 4711", "disk is full, seed 3455673814, 4711"),
    ],
)
def test_a_text_for_people_has_no_personal_data_but_what_is_public(text: str, masked: str) -> None:
    assert mask_personal(text, {"equals qa@example.com"}) == masked


@pytest.mark.parametrize("part", ["a.", "a@", "a@b.", "1 ", "4111 ", "1.", "eyJ", "eyJa.", "%40a", "..."])
def test_a_hostile_text_takes_no_longer_than_another(part: str) -> None:
    text = part * (300_000 // len(part))
    began = time.process_time()
    mask_personal(text)
    assert time.process_time() - began < 5
