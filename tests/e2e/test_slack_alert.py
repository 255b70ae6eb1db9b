"""From a tick to Slack: the real daemon, the unmodified client, real TLS, a stand-in that holds Slack's name."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
import trustme

from tests.alerts.servers import slack_stand_in
from tests.e2e.harness import settings_for
from tests.e2e.test_process import AT_ONCE, daemon, ended, market, said, start
from tradeassistd.store import queries

WEBHOOK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


async def test_an_alert_of_the_daemon_arrives_at_slack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.slack.com").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with slack_stand_in(context) as slack:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{slack.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        for name in ("https_proxy", "no_proxy"):  # those of this machine would come first
            monkeypatch.delenv(name, raising=False)
        async with market() as simulator:
            settings_for(tmp_path, simulator, AT_ONCE, f"{{slack: {{url: '{WEBHOOK}'}}}}")
            program = await start(*daemon(tmp_path))
            await said(program, "delivery.sent")
            program.terminate()
            code, _, errors = await ended(program)
    assert code == 0, errors
    assert "hooks.slack.com:443" in slack.connects[0]
    assert slack.received[0].path == WEBHOOK.removeprefix("https://hooks.slack.com")
    payload = json.loads(slack.received[0].body)
    shown = payload["attachments"][0]
    assert "/ES" in shown["title"] and "at-once" in shown["title"]
    assert "price &gt; 1" in shown["text"]  # as Slack wants it escaped
    stored = queries.alerts(tmp_path / "state")
    assert [delivery.state.value for delivery in stored[0].deliveries] == ["sent"]
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in errors  # the address is the secret
