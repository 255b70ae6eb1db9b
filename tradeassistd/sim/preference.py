"""The answer of GET /trader/v1/userPreference: the one user, and where the streamer listens (protocol notes, 2)."""

from __future__ import annotations

CUSTOMER_ID = "5c9f1f5e7d0b4a6688e2d3c4b5a697887766554433221100ffeeddccbbaa9988"
CORREL_ID = "7e57ab1e-0000-4000-8000-51a1a7042001"
CHANNEL = "N9"
FUNCTION_ID = "APIAPP"


def user_preference(streamer_url: str, *, with_streamer: bool = True) -> dict[str, object]:
    """The JSON body; without the streamer it is what Schwab answers while its streamer is out."""
    streamer = {
        "streamerSocketUrl": streamer_url,
        "schwabClientCustomerId": CUSTOMER_ID,
        "schwabClientCorrelId": CORREL_ID,
        "schwabClientChannel": CHANNEL,
        "schwabClientFunctionId": FUNCTION_ID,
    }
    account = {
        "accountNumber": "00000000",
        "primaryAccount": True,
        "type": "BROKERAGE",
        "nickName": "Simulated",
        "displayAcctId": "...000",
        "autoPositionEffect": True,
        "accountColor": "Green",
    }
    return {
        "accounts": [account],
        "streamerInfo": [streamer] if with_streamer else [],
        "offers": [{"level2Permissions": True, "mktDataPermission": "NP"}],
    }
