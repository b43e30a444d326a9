integration = await integrations.get("Pax8")
await integration.oauth.refresh()
# integration.oauth.access_token is now a fresh token
