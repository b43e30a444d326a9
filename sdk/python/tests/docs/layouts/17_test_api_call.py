import aiohttp
from bifrost import workflow, oauth
import logging
logger = logging.getLogger(__name__)
@workflow(name="test_api_call")
async def test_api_call(ctx):
    creds = await oauth.get_connection("HaloPSA")
    async with aiohttp.ClientSession() as session:
        headers = {
            "Authorization": creds.get_auth_header(),
            "Accept": "application/json"
        }
        async with session.get(
            "https://api.halopsa.com/api/me",
            headers=headers
        ) as response:
            if response.status == 200:
                data = await response.json()
                logger.info(f"API call succeeded: {data}")
            elif response.status == 401:
                logger.error("Token is invalid or expired")
            elif response.status == 403:
                logger.error("Insufficient scope for this API")
            else:
                logger.error(f"API error: {response.status}")
