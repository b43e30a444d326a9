from bifrost import workflow, param, oauth, ExecutionContext
import requests
import logging
import json
logger = logging.getLogger(__name__)
@workflow(
    name="list_users",
    description="List users from Microsoft Graph"
)
async def list_users(context: ExecutionContext):
    """Fetch user information from Microsoft Graph."""
    # Get OAuth credentials
    oauth_response = await oauth.get_token("Microsoft_Graph")
    logger.info("Retrieved oauth response")
    url = "https://graph.microsoft.com/v1.0/users"
    headers = {
        "Authorization": f"Bearer {oauth_response['access_token']}"
    }
    response = requests.get(url, headers=headers)
    response.raise_for_status()
    users = response.json()['value']
    return users
