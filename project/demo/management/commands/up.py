import shlex

from django.conf import settings

from project.demo import access
from project.demo.access import DemoAccess
from workers.management.commands import up


class Command(up.Command):
    help = f"{up.Command.help} DEMO=1 makes a demo user."

    _access: DemoAccess | None = None

    def prepare(self) -> None:
        settings.STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns, in every process, when it is missing
        self._access = access.prepare(settings.DATA_DIR) if settings.DEMO else None

    def welcome(self, url: str) -> list[str]:
        """Return how to get in, a first write, and a load to put on it."""
        token = "TOKEN"  # noqa: S105 - stands for one
        lines = [
            *super().welcome(url),
            f"Add a user     {up.manage_line('createsuperuser')}",
            f"Make a token   {up.manage_line('create_token USERNAME')}",
        ]
        if self._access is not None:
            token = f"$(cat {shlex.quote(up.shown(settings.DATA_DIR / 'demo-token'))})"
            lines = [
                f"Admin          {url}/admin/",
                f"User           {self._access.username}, password {self._access.password}",
                f"Token          {self._access.token}",
            ]
        return [
            f"API            {url}/api/docs/",
            *lines,
            "",
            "Write something, from a second terminal:",
            f"""  curl -i {url}/api/items/ -d '{{"name": "first item"}}' \\""",
            "    -H 'Content-Type: application/json' \\",
            f'    -H "Authorization: Bearer {token}"',
            "Put it under load:",
            f"  {up.manage_line('load_test --requests 5000 --connections 64')}",
        ]
