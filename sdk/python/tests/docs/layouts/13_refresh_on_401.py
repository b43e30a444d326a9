integration = await integrations.get("Pax8")
response = await client.get(url, headers={"Authorization": f"Bearer {integration.oauth.access_token}"})
if response.status_code == 401:
    await integration.oauth.refresh()
    response = await client.get(url, headers={"Authorization": f"Bearer {integration.oauth.access_token}"})
