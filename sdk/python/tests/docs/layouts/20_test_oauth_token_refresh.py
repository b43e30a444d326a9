import pytest
from bifrost import oauth
@pytest.mark.integration
async def test_oauth_token_refresh():
    """Verify token auto-refresh works"""
    # Should not raise, even if token is near expiration
    creds = await oauth.get_connection("HaloPSA")
    assert creds is not None
    assert creds.access_token is not None
    assert not creds.is_expired()
