import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.utils import timezone
from knox.models import get_token_model

from project.demo import access

pytestmark = pytest.mark.django_db


def test_the_demo_user_is_a_superuser_who_can_log_in_with_the_password_from_the_file(tmp_path: Path) -> None:
    found = access.prepare(tmp_path)

    user = authenticate(username=found.username, password=found.password)

    assert user is not None
    assert user.is_superuser
    assert (tmp_path / "demo-password").read_text().strip() == found.password
    assert (tmp_path / "demo-token").read_text().strip() == found.token


def test_password_and_token_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    access.prepare(tmp_path)

    for name in ("demo-password", "demo-token"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_second_start_keeps_password_and_token(tmp_path: Path) -> None:
    assert access.prepare(tmp_path) == access.prepare(tmp_path)
    assert get_token_model().objects.count() == 1


@pytest.mark.parametrize("lost", ["revoked", "expired"])
def test_a_token_that_no_longer_works_is_replaced(tmp_path: Path, lost: str) -> None:
    former = access.prepare(tmp_path)
    if lost == "revoked":
        get_token_model().objects.all().delete()
    else:
        get_token_model().objects.update(expiry=timezone.now() - timedelta(seconds=1))

    assert access.prepare(tmp_path).token != former.token


def test_a_changed_password_is_set_back_to_the_one_that_is_shown(tmp_path: Path) -> None:
    found = access.prepare(tmp_path)
    user = get_user_model().objects.get(username=access.USERNAME)
    user.set_password("something else")
    user.is_superuser = False
    user.save()

    access.prepare(tmp_path)

    user.refresh_from_db()
    assert user.check_password(found.password)
    assert user.is_superuser
